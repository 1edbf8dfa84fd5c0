"""How much of a report a terminal shows, and the command that it gives to paste."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gradscope import api
from gradscope.cli.commands.report import command as report_command
from gradscope.reporters.run.folder import write_record
from tests.analyzer.synthetic import geometric, network, record
from tests.cli.running import TINY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report on a network whose gradient vanishes."""
    folder = tmp_path_factory.mktemp("report")
    layers = network([100] * 12, activation="sigmoid", initializer="glorot_uniform")
    write_record(record(layers, steps=60, delta=geometric(1e-8, 12)[::-1]), folder)
    return folder


def shown(folder: Path, *options: str) -> list[str]:
    done = CliRunner().invoke(report_command, [str(folder), *options], env={"COLUMNS": "80"})
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.output.splitlines()


def test_the_answer_alone(folder: Path) -> None:
    lines = shown(folder)
    assert len(lines) <= 20
    assert not {"Layers, from input to output", "Checks"} & set(lines)


def test_the_flags_add_what_they_name(folder: Path) -> None:
    answer = shown(folder)
    table, checks = shown(folder, "--layers"), shown(folder, "--checks")
    assert "Layers, from input to output" in table
    assert "Checks" not in table
    assert "Checks" in checks
    assert "Layers, from input to output" not in checks
    both = shown(folder, "-v")
    assert both == shown(folder, "--layers", "--checks")
    for lines in (table, checks, both):
        assert lines[-len(answer) :] == answer


def test_the_state_alone(folder: Path) -> None:
    state = shown(folder)[:1]
    assert shown(folder, "-q") == state
    table = shown(folder, "-q", "--layers")
    assert "Layers, from input to output" in table
    assert table[-1:] == state


def test_the_config_of_an_earlier_run_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    source = tmp_path / "configs" / "tiny.yaml"
    source.write_text(TINY, encoding="utf-8")
    config = api.load_config(source)
    made = record(steps=5, name="tiny")
    environment = made.environment
    same = type(environment)(**vars(environment) | {"config_hash": config.hash})
    write_record(record(steps=5, name="tiny", environment=same), tmp_path)
    monkeypatch.chdir(tmp_path)
    [pasted] = [line for line in shown(tmp_path) if line.strip().startswith("gradscope run")]
    assert shlex.split(pasted) == [
        *("gradscope", "run", "configs/tiny.yaml", "-s", "training.steps=100")
    ]
    source.write_text(TINY.replace("depth: 2", "depth: 3"), encoding="utf-8")
    text = "\n".join(shown(tmp_path))
    assert "  Try      more steps (training.steps: 100)" in text, (
        "the file is another config by now"
    )
    assert "gradscope run" not in text
    assert "CONFIG" not in text


def test_a_healthy_network_is_green() -> None:
    made = record(steps=60, loss=np.geomspace(2.5, 0.5, 61))
    assert api.analyze(made).diagnosis.verdict == "healthy"
