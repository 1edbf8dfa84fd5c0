"""The benchmark of long records runs, without TensorFlow."""

from __future__ import annotations

from benchmarks import long_runs


def test_a_short_record_takes_the_whole_way() -> None:
    found = long_runs.measure(layers=3, steps=300)
    assert found["json_mb"] < 1
    assert found["record_mb"] < 1
    assert found["peak_mib"] >= found["start_mib"] > 0
    assert "3 x 300" in long_runs.table([{"layers": 3, "steps": 300, **found}]).markdown()
