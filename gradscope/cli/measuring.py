"""What ``run`` and ``check`` share: measure a config, write its report, show it."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradscope import api
from gradscope.cli import terminal
from gradscope.cli.progress import Progress
from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, CouldNotMeasure, ExitCode, GradscopeError, Interrupted
from gradscope.record import RunRecord
from gradscope.reporters.report import Report
from gradscope.reporters.run import REPORTERS, folder
from gradscope.runner.process import supervisor

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
    trust: bool = False,
) -> int:
    """Measure `source` in a worker, write its folder, show it in `form`; gives the exit code.

    Data and model file are checked while the worker imports TensorFlow. What was measured before an
    interruption or a failure is written too, marked partial.
    """
    config = api.load_config(source, overrides)
    target = output or DEFAULT_FOLDER / config.name
    with folder.claimed(target, config.hash, force=force):

        def check_and_prepare() -> None:
            check_inputs(config, target, trust=trust)
            folder.prepare_pages()

        with Progress(quiet=quiet) as progress:
            try:
                record = supervisor.measure(
                    config,
                    progress.watch,
                    target / folder.LOG,
                    ["--trust-model"] if trust else [],
                    meanwhile=check_and_prepare,
                )
            except (CouldNotMeasure, Interrupted) as error:
                keep(error, target)
                raise
        report = judge(record, target, gate=gate)
        paths = write_report(report, target)
    show(report, form, paths)
    return report.exit_code


def check_inputs(config: ExperimentConfig, target: Path, *, trust: bool) -> None:
    """Refuse data or a model file of no use, and take the log of the run that is not to be away."""
    try:
        api.check_data(config)
        api.check_model(config, trust=trust)
    except BadRequest:
        (target / folder.LOG).unlink(missing_ok=True)
        raise


def judge(record: RunRecord, target: Path, *, gate: bool) -> Report:
    """Analyze `record`; should that fail, what was measured is in `target` all the same."""
    try:
        return api.analyze(record, gate=gate)
    except Exception:
        folder.remove_pages(target)
        (target / folder.RESULT).unlink(missing_ok=True)
        folder.write_record(record, target)
        raise


def keep(error: GradscopeError, target: Path) -> None:
    """Write what was measured before the end; the error itself stays the thing to tell."""
    if error.partial is None:
        return
    with _undisturbed():
        report = api.with_exit_code(api.analyze(error.partial), error.exit_code)
        folder.remove_pages(target)
        record = folder.write_record(report.record, target)
        folder.write_result(report, target)
    error.remedy = f"{error.remedy}\n  kept: {record}".strip()


def _pass(number: int, frame: Any) -> None:
    del number, frame


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Finish a short piece of work whatever comes, so that an impatient Ctrl-C loses nothing."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, _pass) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_report(report: Report, target: Path) -> tuple[str, ...]:
    """The record first, the result before the pictures: what matters most is safe soonest."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    folder.remove_pages(target)
    record = folder.write_record(report.record, target)
    result = folder.write_result(report, target)
    try:
        pages = folder.write_pages(report, target)
    except BaseException as error:
        folder.write_result(api.with_exit_code(report, _code_of(error)), target)
        raise
    pictures = [path for path in pages if path.suffix == ".png"]
    return tuple(str(path) for path in (pages[0], *pictures, result, record))


def _code_of(error: BaseException) -> ExitCode:
    if isinstance(error, GradscopeError):
        return error.exit_code
    if isinstance(error, SystemExit):
        return ExitCode.TERMINATED
    interrupted = isinstance(error, KeyboardInterrupt)
    return ExitCode.INTERRUPTED if interrupted else ExitCode.COULD_NOT_MEASURE


def show(report: Report, form: str, paths: tuple[str, ...]) -> None:
    """Write the report to stdout."""
    terminal.result(REPORTERS[form](report, terminal.options(paths)).rstrip("\n"))
