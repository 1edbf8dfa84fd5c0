"""What ``baseline`` does: measure the seeds, show what changed, replace the file."""

from __future__ import annotations

from pathlib import Path

from gradscope import api
from gradscope.cli import terminal
from gradscope.cli.checking import Asked, worker_flags
from gradscope.cli.progress import Progress
from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, Interrupted
from gradscope.gate import plan, replacing
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Status
from gradscope.record import RunRecord
from gradscope.reporters.layout.lines import Page, symbol
from gradscope.reporters.layout.sanitizing import printable
from gradscope.runner.process import supervisor
from gradscope.runner.runtime.seeds import Seeds


def measure_and_write(
    source: str, config: ExperimentConfig, asked: Asked, *, output: Path | None, update: bool
) -> None:
    """Measure the baseline of one config and write it; tell what it holds.

    Raises `BadRequest` where there is one and `update` is not given, before anything is measured.
    """
    path = output or baseline_file.beside(source)
    if path.exists() and not update:
        raise BadRequest(
            f"{path} exists", "compare with it: gradscope check CONFIG; or replace it: --update"
        )
    if not path.parent.is_dir():
        raise BadRequest(f"cannot write {path}: there is no such folder", "make it first")
    before = replacing.existing(path)
    with Progress(quiet=asked.quiet) as progress:
        bank = _measured(config, asked, progress)
    shown = terminal.options()
    page = Page(width=shown.width, color=shown.color, unicode=shown.unicode)
    if before is not None:
        _add_changes(page, before, bank)
    baseline_file.write(bank, path)
    _add_content(page, bank, path)
    terminal.result(page.render().rstrip("\n"))


def _measured(config: ExperimentConfig, asked: Asked, progress: Progress) -> SeedStatistics:
    """Measure the seeds, and more trained ones where the first do not show enough."""
    api.check_data(config)
    api.check_model(config, trust=asked.trust)
    seeds = plan.for_baseline(
        config, at_init=asked.at_init, seeds=asked.seeds, trained=asked.trained_seeds
    )

    def records_of(wanted: Seeds) -> list[RunRecord]:
        flags = worker_flags(trust=asked.trust)
        try:
            return supervisor.measure_seeds(config, wanted, progress.watch, None, flags)
        except Interrupted as error:
            error.remedy = "nothing was written: a baseline is whole or not there"
            raise

    enough = asked.trained_seeds is None and config.model.source is None
    return api.bank_by(records_of, config, seeds, as_many_as_needed=enough)


def _add_changes(page: Page, before: SeedStatistics | str, bank: SeedStatistics) -> None:
    """What the new baseline changes."""
    tones = {
        Status.PASSED: "healthy",
        Status.FAILED: "error",
        Status.INCONCLUSIVE: "warning",
        Status.SKIPPED: "skipped",
    }
    page.add_text("Changes to the baseline", "title")
    for check in replacing.changes(before, bank):
        tone = tones[check.status]
        page.add_text(
            f"{symbol(tone, page.unicode)} {check.name}: {printable(check.sentence)}",
            tone,
            indent=2,
            hanging=2,
        )
    page.add_text("")


def _add_content(page: Page, bank: SeedStatistics, path: Path) -> None:
    page.add_text(f"wrote {printable(str(path))}", "title")
    measured = len(bank.names("hidden", "output", "normalization"))
    at_start = f"{len(bank.seeds)} seeds of {measured} layers at initialisation"
    trained = f", {bank.trained_seeds} of them trained for {bank.steps} steps"
    page.add_text(at_start + (trained if bank.trained_seeds else ""), indent=2)
    for verdict in bank.verdicts:
        share = f"in {verdict.seeds} of {max(1, bank.trained_seeds)} seeds"
        page.add_text(
            f"accepted as it is: {verdict.code} {verdict.name}, {share}: "
            f"{printable(verdict.message)}",
            "warning",
            indent=2,
            hanging=2,
        )
    if not bank.verdicts:
        page.add_text("no detector found an error", indent=2)
