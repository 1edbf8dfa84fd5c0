"""The chapter's first statement: Keras's default draws with variance 1 / fan_avg, within r."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.cli.forking import run
from tests.cli.running import result_in

pytestmark = pytest.mark.tensorflow

CONFIG = """\
name: first
model: {hidden: [300, 100], activation: sigmoid, initializer: glorot_uniform}
data: {name: gaussian, samples: 64, features: 784, classes: 10}
seed: 3
"""
VARIANCE = 2 / (784 + 300)
LIMIT = math.sqrt(3 / ((784 + 300) / 2))


def test_glorot_uniform_of_784_inputs_and_300_units(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text(CONFIG, encoding="utf-8")
    shown = run(tmp_path, "run", "first.yaml", "--at-init", "--layers", "-q")
    assert shown.returncode == 0, shown.stderr
    row = next(line for line in shown.stdout.splitlines() if "235,200" in line).split()
    assert (row[:3], row[4]) == (["hidden_1", "glorot_uniform", "235,200"], "0.00185")
    # n = 235,200 uniform draws: the sd of their variance is sqrt(0.8 / n) = 0.18 % of it.
    assert float(row[5]) == pytest.approx(1, abs=5 * math.sqrt(0.8 / 235_200))
    words = " ".join(shown.stdout.split())
    assert (
        "glorot_uniform: Var w = 1 / ((fan_in + fan_out) / 2), uniform within +-sqrt(3 /" in words
    )

    def number(statistic: str) -> float:
        choice = ("--layer", "hidden_1", "--statistic", statistic, "--step", "0")
        return float(run(tmp_path, "show", "first", *choice).stdout)

    assert number("promised_weight_variance") == VARIANCE
    assert number("promised_weight_limit") == pytest.approx(LIMIT, rel=1e-15)
    ratio = number("weight_variance_ratio")
    assert number("weight_variance") == pytest.approx(ratio * VARIANCE, rel=1e-15)
    first = result_in(tmp_path / "reports" / "first")["initial_weights"][0]
    assert first["state"] == "as_initialised"
    # The record's series is float32 sums, the initial weights are float64: 1e-5 is promised.
    assert first["variance"] == pytest.approx(ratio * VARIANCE, rel=1e-5)
    assert 0.9999 * LIMIT < first["maximum"] <= LIMIT * (1 + 1e-6)
    weights = run(tmp_path, "show", "first", "--weights").stdout
    assert "hidden_1" in weights
    exported = run(tmp_path, "export", "first", "--statistic", "weight_variance_ratio").stdout
    assert f"0,hidden_1,weight_variance_ratio,{ratio!r}" in exported
