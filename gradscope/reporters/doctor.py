"""What `doctor` shows: the environment, and whether measuring twice gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.gate.baselines import fingerprint
from gradscope.gate.repeatability import Drift
from gradscope.message_text import counted
from gradscope.record import RunRecord
from gradscope.reporters.layout.lines import Page, symbol
from gradscope.reporters.report import ReportOptions


@dataclass(frozen=True)
class DoctorReport:
    """What three measurements of one config showed.

    `record` is the first one's; `digests` are those of the two that must agree; `drift` is the
    distance of the third, with `other_threads`. `ignored_variables` are set in the user's shell and
    kept from the worker.
    """

    record: RunRecord
    digests: tuple[str, str]
    drift: Drift
    other_threads: int
    ignored_variables: tuple[str, ...] = ()

    @property
    def repeats(self) -> bool:
        """Whether two measurements gave the same bytes."""
        return self.digests[0] == self.digests[1]


def doctor_text(report: DoctorReport, options: ReportOptions) -> str:
    """The report for a terminal."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    _add_environment(page, report)
    _add_repeatability(page, report)
    return page.render()


def _add_environment(page: Page, report: DoctorReport) -> None:
    """The fingerprint under which figures have to agree."""
    page.add_text("Fingerprint of `gradscope check` here", "title")
    rows = fingerprint.described(fingerprint.from_environment(report.record.environment))
    width = max(map(len, rows))
    for name, value in rows.items():
        page.add_text(f"{name:<{width}}  {value}", indent=2, hanging=width + 2)
    if report.ignored_variables:
        names = ", ".join(report.ignored_variables)
        page.add_text(f"set in your shell, kept from the worker: {names}", "dim", indent=2)


def _add_repeatability(page: Page, report: DoctorReport) -> None:
    page.add_heading("Repeatability")
    steps = report.record.outcome.steps_done
    tone = "healthy" if report.repeats else "error"
    outcome = "gave the same bytes" if report.repeats else "gave different bytes"
    digests = " and ".join(digest[:12] for digest in dict.fromkeys(report.digests))
    page.add_text(
        f"{symbol(tone, page.unicode)} two processes, {report.record.name}, {steps} steps and 2 "
        f"seeds: {outcome} (sha256 {digests})",
        tone,
        indent=2,
        hanging=2,
    )
    page.add_text(
        f"with {counted(report.other_threads, 'thread')} instead, second moments of signal and "
        f"delta moved by {_size(report.drift.first_step)} at the first step, and by "
        f"{_size(report.drift.last_step)} after {steps} steps: a baseline from another fingerprint "
        "is compared seed for seed at the first step only",
        indent=2,
        hanging=2,
    )


def _size(relative: float) -> str:
    return f"up to {relative:.1e} of themselves" if relative else "nothing"
