"""The table of `python -m benchmarks.real`, from results that are on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.real import __main__ as real
from benchmarks.real import hub, layered, own_steps
from tests.long_cases import long_cases


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


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "case",
    long_cases(
        ["tabular", "vae", "seq2seq", "siamese", "graph", "lora", "gan", "ddim", "distillation"],
        ["seq2seq", "siamese", "graph", "lora", "gan", "ddim", "distillation"],
        "5 to 15 s each",
    ),
)
def test_a_network_that_people_train_is_measured_and_trains_the_same_bits(
    case: str, tensorflow_once: Any
) -> None:
    plain, *measured = (real.measure(case, way, 24) for way in real.WAYS)
    assert measured[0]["bits"] == plain["bits"]
    for result in measured:
        assert result["measured"] == 1.0
        assert result["verdict"] != "unhealthy"
