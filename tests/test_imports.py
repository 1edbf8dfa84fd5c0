"""What a command may import, and what it may cost, measured in fresh interpreters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradscope import api
from gradscope.reporters.run.folder import write_record
from tests.cli.running import COMMAND, environment, write_tiny
from tests.reporters import fixtures

COMMANDS = ("check", "config", "explain", "report", "run", "schema", "theory", "validate")
PROGRAM = """
import contextlib, io, json, sys
from gradscope.cli.main import main
for arguments in json.loads(sys.argv.pop()):
    sys.argv = ["gradscope", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        with contextlib.suppress(SystemExit):
            main()
    assert "bug in gradscope" not in err.getvalue(), err.getvalue()
print(json.dumps(sorted(sys.modules)))
"""
HELP = [["--help"], ["--version"], ["run", "--help"], ["report", "--help"]]
NO_TENSORFLOW = [
    *HELP,
    ["explain"],
    ["explain", "GS101"],
    ["validate", "tiny.yaml", "bad.yaml"],
    ["run", "bad.yaml"],
    ["check", "bad.yaml"],
    ["config", "tiny.yaml"],
    ["schema"],
    ["theory", "tiny.yaml"],
    ["theory", "tiny.yaml", "--format", "json"],
    ["report", "kept"],
    ["report", "kept", "--format", "json"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    write_tiny(folder)
    (folder / "bad.yaml").write_text("model: {depth: -1}\n", encoding="utf-8")
    kept = folder / "kept"
    kept.mkdir()
    config = api.load_config(folder / "tiny.yaml").to_dict()
    write_record(replace(fixtures.healthy().record, config=config), kept)
    return folder


def imported(folder: Path, commands: list[list[str]], **variables: str) -> set[str]:
    """The modules that a fresh interpreter has imported after these commands, one after another."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_help_imports_next_to_nothing(folder: Path) -> None:
    modules = imported(folder, HELP)
    assert "gradscope.cli.commands.report" in modules
    assert not modules & {"numpy", "rich", "pydantic", "yaml", "jinja2", "gradscope.api"}
    assert not modules & {"tensorflow", "keras", "matplotlib"}


def test_no_tensorflow_and_no_matplotlib(folder: Path) -> None:
    modules = imported(folder, NO_TENSORFLOW)
    assert {f"gradscope.cli.commands.{name}" for name in COMMANDS} <= modules
    assert "gradscope.reporters.run.terminal" in modules
    assert not modules & {"tensorflow", "keras", "matplotlib"}


@pytest.mark.tensorflow
def test_a_report_that_is_written_draws(folder: Path) -> None:
    """The one that must import matplotlib does, with no display and a backend that is none."""
    modules = imported(folder, [["report", "kept", "--write"]], MPLBACKEND="nosuch")
    assert (folder / "kept" / "loss.png").is_file()
    assert "matplotlib" in modules
    assert not modules & {"tensorflow", "keras", "matplotlib.pyplot"}


def cpu_seconds(folder: Path, command: list[str], code: int) -> float:
    """The least CPU time of three runs of a command, system time included."""

    def once() -> float:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == code
        return usage.ru_utime + usage.ru_stime

    return min(once() for _ in range(3))


def imports_of_numpy(folder: Path, *arguments: str, code: int) -> float:
    """CPU time of a gradscope command over that of `import numpy` on the same machine."""
    unit = cpu_seconds(folder, [sys.executable, "-c", "import numpy"], code=0)
    return cpu_seconds(folder, [*COMMAND, *arguments], code=code) / unit


def test_help_costs_less_than_numpy(folder: Path) -> None:
    assert imports_of_numpy(folder, "--help", code=0) < 3


def test_a_bad_config_is_refused_quickly(folder: Path) -> None:
    assert imports_of_numpy(folder, "run", "bad.yaml", code=2) < 18


def test_the_package_itself_is_light() -> None:
    program = "import json, sys, gradscope; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True
    )
    modules: set[Any] = set(json.loads(done.stdout))
    assert not modules & {"tensorflow", "keras", "matplotlib", "numpy", "pydantic"}
