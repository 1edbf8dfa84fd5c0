"""The benchmark runs: the smallest case, in short rounds, for the form of its results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command

pytestmark = pytest.mark.tensorflow


def test_a_quick_measurement_of_one_case_gives_every_ratio_and_keeps_nothing_else(
    tmp_path: Path,
) -> None:
    file, readme = tmp_path / "found.json", command.FOLDER / "README.md"
    before = readme.read_text(encoding="utf-8")
    asked = ["step", "--only", "mlp_10x100", "--quick", "--json", str(file)]
    told = CliRunner().invoke(command.main, asked, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    assert "MLP 10x100, batch 32" in told.stdout
    assert readme.read_text(encoding="utf-8") == before

    (part,) = json.loads(file.read_text(encoding="utf-8")).values()
    assert part["versions"]["tensorflow"] and part["machine"]["cpu"] and part["commit"]
    (case,) = part["results"]
    assert case["traces"] == {"plain": 1, "instrumented": 1, "every fifth": 1}
    assert len(case["load"]) == 2 and case["steps_per_round"] % 5 == 0
    times = case["contenders"]
    assert set(times) == {"plain", "instrumented", "every fifth", "fit"}
    for name in ("instrumented / plain", "instrumented / fit", "every fifth / plain"):
        of, to = (times[each]["cpu_ms"] for each in name.split(" / "))
        assert to["low"] > 0
        assert case["ratios"][name]["median"] == pytest.approx(of["median"] / to["median"], 2e-3)
