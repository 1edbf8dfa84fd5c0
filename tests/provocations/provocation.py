"""One provoked fault: a command in a folder, its exit code, what it says and what must hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cli import forking
from tests.cli.running import STAND_IN, default_signals, environment, shell

SMALL = """\
name: small
model: {depth: 2, width: 8}
data: {name: gaussian, samples: 64, features: 8, classes: 3}
training: {steps: 6}
seed: 1
"""
FORBIDDEN = re.compile(r"Traceback|this is a bug|[\x00-\x08\x0b-\x1f\x7f]")
"""What no message of the command may hold."""


_COMMAND = re.compile(r"[$]G [\w./=:, -]+")
"""A command of gradscope with no word that a shell would change."""

_DEADLINE = 300.0
"""Seconds until a command is ended: TensorFlow alone takes one minute to import on busy cores."""


@dataclass(frozen=True)
class Provocation:
    """A row of the table.

    `prepare`, `command` and `holds` are lines of a POSIX shell; in `command`, $G is gradscope.
    `code` is its exit code, `says` a pattern in what it writes to stderr, and `holds` must exit 0
    afterwards. `stand_in` is how the stand-in of TensorFlow behaves; None is TensorFlow
    itself. `needs` names commands or rights without which the row is skipped. `codes` are the
    numbers that the fault has in `codes.CODES`.
    """

    kind: str
    fault: str
    command: str
    code: int
    says: str = ""
    prepare: str = ""
    holds: str = ""
    stand_in: str | None = "healthy"
    needs: tuple[str, ...] = ()
    codes: str = ""


def provoke(row: Provocation, folder: Path) -> None:
    """Provoke the fault in an empty `folder`; raises `AssertionError` where it went wrong.

    What a row has mounted there is taken off also where it fails: it could not be removed.
    """
    try:
        _provoke(row, folder)
    finally:
        if (folder / "m").is_mount():
            subprocess.run(["umount", "-l", folder / "m"], check=True)


def _provoke(row: Provocation, folder: Path) -> None:
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    variables = environment(folder, stand_in=row.stand_in)
    # `python3` is the interpreter of the tests: another one may lack numpy.
    paths = [str(Path(sys.executable).parent), variables.get("PATH", os.defpath)]
    variables["PATH"] = os.pathsep.join(paths)
    if row.prepare:
        prepared = _run(folder, row.prepare, variables)
        assert prepared.returncode == 0, f"not prepared: {prepared.stderr}"
    with default_signals():  # a job in the background ignores Ctrl-C
        done = _run(folder, row.command, variables)
    assert done.returncode == row.code, (done.returncode, done.stdout, done.stderr)
    assert re.search(row.says, done.stderr), done.stderr
    assert not FORBIDDEN.search(done.stderr), done.stderr
    if row.holds:
        after = _run(folder, row.holds, variables)
        assert after.returncode == 0, (row.holds, after.stdout, after.stderr, done.stderr)


def _run(folder: Path, line: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a line in which $G is gradscope; with the stand-in, a command alone is forked."""
    alone = line.removesuffix(" >/dev/null")
    if str(STAND_IN) in variables["PYTHONPATH"] and _COMMAND.fullmatch(alone):
        return forking.run(folder, *alone.split()[1:], env=variables)
    return shell(folder, line.replace("$G", "$GRADSCOPE"), variables, _DEADLINE)


def missing(row: Provocation) -> str:
    """What the row needs and this machine lacks; empty where nothing is lacking."""
    for need in row.needs:
        if need == "root":
            if os.geteuid() != 0:
                return "needs root"
        elif shutil.which(need) is None:
            return f"needs {need}"
    return ""
