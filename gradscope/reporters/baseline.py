"""What `baseline` shows: what the new baseline holds, and what differs from the earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Check, Status
from gradscope.record import Role
from gradscope.reporters.layout.lines import Page, symbol
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import ReportOptions

_TONES = {
    Status.PASSED: "healthy",
    Status.FAILED: "error",
    Status.INCONCLUSIVE: "warning",
    Status.SKIPPED: "skipped",
}


@dataclass(frozen=True)
class BaselineReport:
    """A baseline that was written to `path`.

    `earlier` is the one it replaces, or why that could not be read, None where there was none;
    `changes` are the checks of the new one against it.
    """

    path: Path
    statistics: SeedStatistics
    earlier: SeedStatistics | str | None = None
    changes: tuple[Check, ...] = ()

    def __repr__(self) -> str:
        return f"<BaselineReport {self.path}: {len(self.changes)} checks>"

    @property
    def unchanged(self) -> bool:
        """Whether the earlier baseline had the same bytes."""
        return isinstance(self.earlier, SeedStatistics) and baseline_file.render(
            self.earlier
        ) == baseline_file.render(self.statistics)


def baseline_text(report: BaselineReport, options: ReportOptions) -> str:
    """The report for a terminal."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    if report.earlier is not None:
        _add_changes(page, report)
    _add_content(page, report)
    return page.render()


def _add_changes(page: Page, report: BaselineReport) -> None:
    page.add_text("Changes to the baseline", "title")
    for check in report.changes:
        tone = _TONES[check.status]
        page.add_text(
            f"{symbol(tone, page.unicode)} {check.name}: {printable(check.sentence)}",
            tone,
            indent=2,
            hanging=2,
        )
    page.add_text("")


def _add_content(page: Page, report: BaselineReport) -> None:
    statistics = report.statistics
    page.add_text(f"wrote {printable(str(report.path))}", "title")
    measured = len(statistics.names(Role.HIDDEN, Role.OUTPUT, Role.NORMALIZATION))
    at_start = f"{len(statistics.seeds)} seeds of {measured} layers at initialisation"
    trained = f", {statistics.trained_seeds} of them trained for {statistics.steps} steps"
    page.add_text(at_start + (trained if statistics.trained_seeds else ""), indent=2)
    for verdict in statistics.verdicts:
        share = f"in {verdict.seeds} of {max(1, statistics.trained_seeds)} seeds"
        page.add_text(
            f"accepted as it is: {verdict.code} {verdict.name}, {share}: "
            f"{printable(verdict.message)}",
            "warning",
            indent=2,
            hanging=2,
        )
    if not statistics.verdicts:
        page.add_text("no detector found an error", indent=2)
