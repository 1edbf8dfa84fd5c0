"""What `gradscope check` plans: which configs it finds, and which baselines it can use."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from gradscope.errors import BadRequest
from gradscope.gate.baselines.unusable_baseline import UnusableBaseline
from gradscope.workflows.check import configs_with_baseline, plan_jobs
from gradscope.workflows.measuring.engine import Workers
from gradscope.workflows.measuring.seed_options import SeedOptions


def test_configs_are_found_beside_their_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadRequest, match="no config is named"):
        configs_with_baseline()
    (tmp_path / "configs").mkdir()
    for name in ("net.yaml", "net.baseline.json", "alone.yaml", "configs/deep.yml"):
        (tmp_path / name).touch()
    (tmp_path / "configs" / "deep.baseline.json").touch()
    assert configs_with_baseline() == ("configs/deep.yml", "net.yaml")


def test_the_remedy_of_a_damaged_baseline_is_a_command_that_runs(tmp_path: Path) -> None:
    """It names the config as it was typed, and replaces the file that is in the way."""
    config = tmp_path / "my net.yaml"
    config.write_text("model: {depth: 2, width: 4}\ntraining: {steps: 2}\n", encoding="utf-8")
    (tmp_path / "my net.baseline.json").write_text('{"schema": "gradscope.baseline/1"}')
    with pytest.raises(UnusableBaseline) as caught:
        plan_jobs((str(config),), ("seed=2",), SeedOptions(), Workers())
    condition, _, command = caught.value.remedy.partition(": ")
    assert condition == "make it again"
    assert shlex.split(command) == [
        *("gradscope", "baseline", str(config), "-s", "seed=2"),
        *("--output", str(tmp_path / "my net.baseline.json"), "--update"),
    ]
