"""What ``run`` and ``check`` share: measure a config, write its report, show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradscope import api
from gradscope.cli import terminal
from gradscope.cli.progress import Progress
from gradscope.errors import CouldNotMeasure, GradscopeError, Interrupted
from gradscope.reporters import REPORTERS, folder
from gradscope.reporters.report import Report
from gradscope.runner import supervisor

DEFAULT_FOLDER = Path("reports")


def measure_and_show(
    source: str,
    overrides: tuple[str, ...],
    *,
    output: Path | None,
    force: bool,
    quiet: bool,
    form: str,
    gate: bool,
) -> int:
    """Measure `source` in a worker, write the report's folder, show it in `form`; gives the exit code.

    What was measured before an interruption or a failure is written too, marked partial.
    """
    config = api.load_config(source, overrides)
    api.check_data(config)
    target = output or DEFAULT_FOLDER / config.name
    with folder.claimed(target, config.hash, force=force):
        with Progress(quiet=quiet) as progress:
            try:
                record = supervisor.measure(config, progress.watch, target / folder.LOG)
            except (CouldNotMeasure, Interrupted) as error:
                _keep(error, target)
                raise
        report = api.analyze(record, gate=gate)
        paths = write_report(report, target)
    show(report, form, paths)
    return report.exit_code


def _keep(error: GradscopeError, target: Path) -> None:
    """Write what was measured before the end; the error itself stays the thing to tell."""
    if error.partial is None:
        return
    report = api.analyze(error.partial)
    folder.write_record(error.partial, target)
    folder.write_result(api.with_exit_code(report, error.exit_code), target)
    error.remedy = f"{error.remedy}\n  kept: {target / folder.RECORD}".strip()


def write_report(report: Report, target: Path) -> tuple[str, ...]:
    """The record first, the result before the pictures: what matters most is safe soonest."""
    record = folder.write_record(report.record, target)
    pages = folder.write_pages(report, target)
    result = folder.write_result(report, target)
    pictures = [path for path in pages if path.suffix == ".png"]
    shown: list[Any] = [pages[0], *pictures, result, record]
    return tuple(str(path) for path in shown)


def show(report: Report, form: str, paths: tuple[str, ...]) -> None:
    terminal.result(REPORTERS[form](report, terminal.options(paths)).rstrip("\n"))
