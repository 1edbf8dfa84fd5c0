"""The table of `python -m benchmarks.real`, from results that are on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.real import __main__ as real
from benchmarks.real import hub, layered, own_steps


def test_the_table_says_what_failed_and_whether_the_bits_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real, "RESULTS", tmp_path)
    judged = {"measured": 1.0, "verdict": "healthy", "seconds": 3.0, "peak_mib": 900.0}
    judged |= {"loss": [0.5, float("nan")], "inference": 0.25}
    kept = {
        "vit.fit": {"bits": "a", "seconds": 2.0, "peak_mib": 600.0},
        "vit.callback": judged | {"bits": "b"},
        "vit.run": {"error": "it ended with 1:\n  ValueError: no loss"},
        "gan.callback": judged | {"bits": "a"},
    }
    for name, found in kept.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    assert real.table().rows == [
        ("vit", "`callback`", "100%", "healthy", "0.5", "-", "0.25", "1.50", "1.50", "NO"),
        ("vit", "`run`", "-", "failed: ValueError: no loss", "-", "-", "-", "-", "-", "-"),
        ("gan", "`callback`", "100%", "healthy", "0.5", "-", "0.25", "-", "-", "NO"),
    ]


def test_there_are_at_least_24_cases_of_different_names() -> None:
    assert len(real.CASES) >= 24
    assert len(real.CASES) == len(layered.CASES) + len(own_steps.CASES) + len(hub.CASES)
