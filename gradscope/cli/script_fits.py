"""What `gradscope fit` does: start the script in a child process, then show its reports."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradscope import api
from gradscope.cli import streams, terminal
from gradscope.errors import BadRequest, CouldNotMeasure, ExitCode, Inconclusive
from gradscope.gate.exit_codes import worst
from gradscope.reporters.run import REPORTERS, folder


def measure_and_show(
    script: Path,
    arguments: Sequence[str],
    *,
    every: int,
    output: Path | None,
    form: str,
    gate: bool,
) -> int:
    """Run `script`, show the report of each of its fits, and give the exit code.

    Raises `BadRequest` where there is no such script, `Inconclusive` where it calls no `fit`,
    `CouldNotMeasure` where it fails or no fit could be measured.
    """
    if not script.is_file():
        raise BadRequest(f"cannot run {script}: no such file", "name a Python script that trains")
    target = output or Path("reports") / script.stem
    with tempfile.TemporaryDirectory(prefix="gradscope-fit-") as place:
        manifest = Path(place) / "fits.json"
        status = _run(script, arguments, manifest, target, every)
        fits = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else []
    codes = [_show(fit, form, gate=gate) for fit in fits if not fit["not_measured"]]
    for fit in fits:
        if fit["not_measured"]:
            streams.say(f"gradscope: fit of {fit['model']} not measured: {fit['not_measured']}")
    if status:
        _refuse_failed(script, status, measured=len(codes))
    if not codes:
        _refuse_unmeasured(script, fits)
    return worst(codes)


def _run(script: Path, arguments: Sequence[str], manifest: Path, target: Path, every: int) -> int:
    """Run the script to its end; Ctrl-C reaches it directly, and is waited for here."""
    module = "gradscope.integrations.script"
    words = [str(manifest), str(target), str(every), str(script), *arguments]
    # A handler, not SIG_IGN, which the child would inherit.
    handler = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        return subprocess.run([sys.executable, "-m", module, *words], check=False).returncode
    finally:
        signal.signal(signal.SIGINT, handler)


def _show(fit: dict[str, Any], form: str, *, gate: bool) -> int:
    target = Path(fit["folder"])
    report = api.analyze(api.load_record(target), gate=gate)
    files = tuple(str(target / name) for name in (folder.PAGE, folder.RESULT, folder.RECORD))
    terminal.result(REPORTERS[form](report, terminal.options(files)).rstrip("\n"))
    return report.exit_code


def _refuse_failed(script: Path, status: int, *, measured: int) -> None:
    """Raise what a script that failed comes to; what it measured is on disk and was shown."""
    if status in (130, -signal.SIGINT):
        raise SystemExit(ExitCode.INTERRUPTED)
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
    after = f" after {measured} measured fit{'' if measured == 1 else 's'}" if measured else ""
    raise CouldNotMeasure(
        f"{script} failed with {how}{after}", f"run it alone to see why: python {script}"
    )


def _refuse_unmeasured(script: Path, fits: Sequence[Any]) -> None:
    if fits:
        raise CouldNotMeasure(f"{script}: no fit could be measured; the reasons are above")
    raise Inconclusive(
        f"{script} ran to its end and called no Keras `model.fit`",
        "gradscope fit measures `model.fit` only; a loop of your own is measured by "
        "gradscope.run(model=..., data=...)",
    )
