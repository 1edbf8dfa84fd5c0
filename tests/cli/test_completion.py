"""What a shell completes, asked as its script asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.cli import completion
from gradscope.cli.main import cli
from gradscope.record.tidy import statistic_names
from gradscope.reporters.run import folder as report_folder
from gradscope.workflows.measuring.inputs import CONFIGS
from tests.analyzer.synthetic import record
from tests.cli.running import ROOT, environment, run

Completed = Callable[..., list[str]]


FILES = (
    "mine.yaml",
    "other.yml",
    "notes.txt",
    "configs/deep.yaml",
    "configs/sub/x.yaml",
    "reports/net/record.npz",
    "reports/tanh/record.npz",
    "reports/empty/notes.txt",
)


@pytest.fixture
def completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Completed:
    """Give the values for the last word of a line, in a folder with configs and two reports."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)

    def call(line: str, shell: str = "bash") -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        assert completion.answer(cli, f"{shell}_complete") == 0
        items = capsys.readouterr().out.splitlines()
        return [item.partition(",")[2] for item in items if item]

    return call


def test_commands_and_options(completed: Completed) -> None:
    assert completed("gradscope co") == ["compare", "completion", "config"]
    assert completed("gradscope --v") == ["--version"]
    assert completed("gradscope run --ex") == ["--exit-code"]
    assert set(completed("gradscope baseline --")) >= {"--update", "--seeds", "--at-init", "--help"}
    assert completed("gradscope completion ") == ["bash", "zsh", "fish"]
    assert completed("gradscope nothing --x") == []


def test_names_of_configs_and_reports(completed: Completed) -> None:
    for command in ("run", "check", "baseline", "validate", "theory", "layers", "config", "doctor"):
        assert completed(f"gradscope {command} ") == ["mine.yaml", "other.yml", "configs/deep.yaml"]
    assert completed("gradscope check mine.yaml o") == ["other.yml"]
    assert completed("gradscope run configs/") == ["configs/deep.yaml"]
    assert completed("gradscope run configs/sub/") == ["configs/sub/x.yaml"]
    for command in ("report", "show", "export"):
        assert completed(f"gradscope {command} ") == ["net", "tanh"]
    assert completed("gradscope report ../other/") == ["../other/"], "left to the shell"
    assert completion.configs(None, None, "no")[0].type == "file"  # type: ignore[arg-type]
    assert (completion._REPORTS, completion._RECORD) == (
        report_folder.REPORTS,
        report_folder.RECORD,
    )
    assert completion._CONFIGS == CONFIGS


def test_terms_and_statistics(completed: Completed) -> None:
    assert completed("gradscope explain vanishing_g") == ["vanishing_gradient"]
    codes = sorted(entry.code for entry in DETECTORS.values() if entry.code.startswith("GS2"))
    assert sorted(completed("gradscope explain GS2")) == codes
    names = completed("gradscope show net --statistic ")
    assert sorted(names) == sorted(statistic_names(record(2)))


def test_zsh_and_fish_get_the_first_line_of_a_command_too(
    completed: Completed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for shell, position in (("zsh", "1"), ("fish", "expl")):
        monkeypatch.setenv("COMP_WORDS", "gradscope expl")
        monkeypatch.setenv("COMP_CWORD", position)
        assert completion.answer(cli, f"{shell}_complete") == 0
        out = capsys.readouterr().out
        assert "explain" in out
        assert "Explain a verdict" in out
    assert completion.answer(cli, "nothing_complete") == 1


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_scripts(shell: str, tmp_path: Path) -> None:
    done = run(tmp_path, "completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{completion.VARIABLE}={shell}_complete" in done.stdout
    if program := shutil.which(shell):
        (tmp_path / "script").write_text(done.stdout)
        subprocess.run([program, "-n", tmp_path / "script"], check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    """In a bash that reads the script; nothing of TensorFlow is imported for an answer."""
    (tmp_path / "net.yaml").touch()
    command = tmp_path / "bin" / "gradscope"
    command.parent.mkdir()
    program = (
        "import sys, atexit; from gradscope.cli.main import main; "
        "atexit.register(lambda: 'tensorflow' in sys.modules and print('plain,tensorflow')); main()"
    )
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{program}" "$@"\n')
    command.chmod(0o755)
    lines = (
        'source <(gradscope completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        "_gradscope_completion gradscope; echo ${COMPREPLY[@]}"
    )
    env = environment(tmp_path)
    env["PATH"] = f"{command.parent}{os.pathsep}{env['PATH']}"
    for words, expected in {
        ("gradscope", "ru"): "run",
        ("gradscope", "run", "n"): "net.yaml",
        ("gradscope", "explain", "GS101"): "GS101",
    }.items():
        done = subprocess.run(
            ["bash", "-c", lines, "bash", *words],
            cwd=tmp_path, env=env, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert (done.stdout.strip(), done.stderr) == (expected, "")
    assert str(ROOT) not in done.stdout
