"""Commands in processes of their own, forked from one that has imported everything: 0.02 s each."""

from __future__ import annotations

import atexit
import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cli.running import DEADLINE, STAND_IN, default_signals, environment

PROGRAM = """
import atexit, gc, json, os, signal, sys, tempfile
import gradscope.api, rich.console, pydantic.fields, pydantic.types
from gradscope.cli.commands import explain, report, run
from gradscope.cli.main import main
exec(sys.argv[1])
gc.freeze()
for line in sys.stdin:
    job = json.loads(line)
    process = os.fork()
    if not process:
        os.chdir(job["folder"])
        os.environ.clear()
        os.environ.update(job["environment"])
        tempfile.tempdir = None  # that of this process is known already
        for number, name in enumerate((os.devnull, "out", "err")):
            mode = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
            os.dup2(os.open(os.path.join(job["streams"], name), mode), number)
        signal.alarm(job["deadline"])
        exec(job["first"])
        sys.argv = ["gradscope", *job["arguments"]]
        try:
            main()
        except SystemExit as end:  # taking the interpreter apart takes longer than the command
            atexit._run_exitfuncs()
            sys.stdout.flush()
            os._exit(end.code)
    _, status = os.waitpid(process, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


# A command imports what it needs when it runs: what most of them need is imported once.
IMPORTS = """
from click.testing import CliRunner
from gradscope.cli.main import cli
from pathlib import Path
import tempfile
with tempfile.TemporaryDirectory() as folder:
    good, bad = Path(folder, "good.yaml"), Path(folder, "bad.yaml")
    good.write_text("{model: {depth: 2}, data: {name: gaussian}, training: {steps: 1}}")
    for line in ("validate", good), ("theory", good):
        assert CliRunner().invoke(cli, list(map(str, line))).exit_code == 0, line
    for line in ("explain", "x"), ("report", bad), ("show", bad), ("run", bad), ("check", bad):
        assert CliRunner().invoke(cli, list(map(str, line))).exit_code != 0, line
"""


class Forking:
    """The process that has imported the command line and forks; ends with its input.

    `before` is Python that it executes once, before it forks. With `stand_in` it leaves out the
    pictures and pages, as the stand-in of TensorFlow does.
    """

    def __init__(self, folder: Path, before: str = "", *, stand_in: bool = False) -> None:
        self._streams = folder
        # Python 3.12 warns of a fork beside threads: NumPy's would be there.
        kind = "" if stand_in else None
        alone = environment(folder, stand_in=kind, OPENBLAS_NUM_THREADS="1")
        with default_signals():
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, before, "gradscope"],
                env=alone,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )

    def run(
        self, folder: Path, *arguments: str, first: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command in `folder` until it ends; `first` is Python to execute before it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {
            "folder": str(folder),
            "environment": environment(folder) if env is None else env,
            "streams": str(self._streams),
            "deadline": int(DEADLINE),
            "first": first,
            "arguments": arguments,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        out, err = (
            (self._streams / name).read_text(encoding="utf-8", errors="surrogateescape")
            for name in ("out", "err")
        )
        return subprocess.CompletedProcess(arguments, code, out, err)

    def refused(self, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Run a command that must be a bad request; gives what it says."""
        done = self.run(folder, *arguments, env=env)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=DEADLINE)


@functools.cache
def _shared(stand_in: bool) -> Forking:
    folder = tempfile.TemporaryDirectory()
    process = Forking(Path(folder.name), IMPORTS, stand_in=stand_in)
    atexit.register(lambda: (process.close(), folder.cleanup()))
    return process


def run(
    folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """As `running.run`, forked from a process that this one keeps."""
    env = environment(folder) if env is None else env
    return _shared(str(STAND_IN) in env["PYTHONPATH"]).run(folder, *arguments, env=env)


def refused(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """As `running.refused`, forked from a process that this one keeps."""
    env = environment(folder) if env is None else env
    return _shared(str(STAND_IN) in env["PYTHONPATH"]).refused(folder, *arguments, env=env)
