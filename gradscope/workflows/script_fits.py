"""Run a training script of the user's in a child process, and report on every `fit` in it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradscope.errors import BadRequest, CouldNotMeasure, GradscopeError, Inconclusive, Interrupted
from gradscope.message_text import counted
from gradscope.reporters.run import folder
from gradscope.reporters.run.folder import REPORTS
from gradscope.workflows.analysis import analyze, load_record
from gradscope.workflows.report_files.report_folder import WrittenReport

_CHILD = "gradscope.integrations.script"


@dataclass(frozen=True)
class ScriptFits:
    """The reports of a script's fits in their order, and why other fits have none.

    `error` says that the script failed, was interrupted, or has no fit that could be measured; the
    reports are complete all the same.
    """

    reports: tuple[WrittenReport, ...]
    not_measured: tuple[str, ...] = ()
    error: GradscopeError | None = None


def run_script(
    script: Path,
    arguments: Sequence[str],
    *,
    every: int | None = None,
    output: Path | None = None,
    gate: bool = False,
) -> ScriptFits:
    """Run `script` as ``python script arguments`` does, with a `GradientFlow` in every `fit`.

    `every` is the distance of the measured steps; without it, the start is measured densely and
    the rest sparsely. The first report is in `output` (default ``reports/<script>``), the next in
    ``<output>.fit-2`` and so on; the other gradients of a model's own `train_step` are in
    ``<output>.<what it trains>``. Without `output`, earlier reports there move to numbered folders.
    What the script prints goes to stderr. Raises `BadRequest` where there is no such script, and
    for a folder that cannot be written or holds files that gradscope did not write.
    """
    if not script.is_file():
        raise BadRequest(f"cannot run {script}: no such file", "name a Python script that trains")
    target = output or REPORTS / script.stem
    with folder.claimed(target, replace=output is None):
        pass  # before the script trains
    with tempfile.TemporaryDirectory(prefix="gradscope-fit-") as place:
        manifest = Path(place) / "fits.json"
        options = [str(manifest), str(target), "1" if output is None else "0", str(every or 0)]
        status = _run([*options, str(script), *arguments])
        fits = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else []
    reports = tuple(
        _report(place, gate=gate)
        for fit in fits
        if not fit["not_measured"]
        for place in (fit["folder"], *fit.get("others", ()))
    )
    return ScriptFits(
        reports,
        tuple(f"fit of {f['model']}: {f['not_measured']}" for f in fits if f["not_measured"]),
        _failed(script, status, len(reports)) if status else _unmeasured(script, fits, reports),
    )


def _run(arguments: Sequence[str]) -> int:
    """Run the child to its end; Ctrl-C reaches it directly, and is waited for here."""
    # A handler, not SIG_IGN, which the child would inherit.
    handler = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        command = [sys.executable, "-m", _CHILD, *arguments]
        return subprocess.run(command, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, handler)


def _report(place: str, *, gate: bool) -> WrittenReport:
    target, here = Path(place), Path.cwd()
    if target.is_relative_to(here):  # absolute there: a script may change its working directory
        target = target.relative_to(here)
    report = analyze(load_record(target), gate=gate)
    files = tuple(str(target / name) for name in (folder.PAGE, folder.RESULT, folder.RECORD))
    return WrittenReport(report, files)


def _failed(script: Path, status: int, measured: int) -> GradscopeError:
    """What a script comes to that did not end well."""
    if status in (130, -signal.SIGINT):
        return Interrupted(f"{script} was interrupted")
    ended = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
    after = f" after {counted(measured, 'measured fit')}" if measured else ""
    return CouldNotMeasure(
        f"{script} failed with {ended}{after}", f"run it alone to see why: python {script}"
    )


def _unmeasured(
    script: Path, fits: Sequence[Any], reports: Sequence[WrittenReport]
) -> GradscopeError | None:
    if reports:
        return None
    if fits:
        return CouldNotMeasure(f"{script}: no fit could be measured")
    return Inconclusive(
        f"{script} ran to its end and called no Keras `model.fit`",
        "gradscope fit measures `model.fit` only; measure a loop of your own with "
        "gradscope.run(model=..., data=...)",
    )
