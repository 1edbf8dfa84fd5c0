"""Faults planted in real runs: the detector of each leads, from the figures that were measured."""

from __future__ import annotations

from typing import Any

import pytest

from gradscope import api
from gradscope.record import Severity
from tests.runner.configs import small

pytestmark = pytest.mark.tensorflow

BEFORE = "before_activation"
CONSTANT = {"name": "constant", "value": 0.1}

# name: what differs from a sound network; the detector that leads
FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "copies": ({"initializer": CONSTANT, "activation": "tanh"}, {}, "symmetric_units"),
    "logits": (
        {"output": {"activation": "linear"}},
        {"loss": "sparse_categorical_crossentropy"},
        "output_mismatch",
    ),
    "two_samples": (
        {"batch_norm": BEFORE, "use_bias": False},
        {"batch_size": 2},
        "batch_norm_small_batch",
    ),
    "never_moves": (
        {"batch_norm": {"placement": BEFORE, "momentum": 1.0}},
        {},
        "batch_norm_momentum",
    ),
    "explodes": (
        {"hidden": [12] * 44, "batch_norm": BEFORE, "use_bias": False},
        {},
        "batch_norm_explosion",
    ),
    "epsilon": (
        {},
        {"optimizer": {"name": "adam", "epsilon": 100.0}},
        "optimizer_epsilon",
    ),
    "large_normal": (
        {"initializer": {"name": "random_normal", "stddev": 5.0}, "hidden": [9] * 3},
        {},
        "saturated_output",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_leads(name: str, runner_settings: Any) -> None:
    model, training, detector = FAULTS[name]
    record = api.run(
        small(
            model={"hidden": [16, 16, 16], **model},
            training={"steps": 12, "batch_size": 16, **training},
        )
    )
    diagnosis = api.analyze(record).diagnosis
    errors = [verdict.name for verdict in diagnosis.with_severity(Severity.ERROR)]
    assert errors[:1] == [detector]
    assert not [verdict for verdict in diagnosis.verdicts if verdict.status == "crashed"]
    if name == "never_moves":  # its layers have a bias, which the norm takes away
        assert [verdict.name for verdict in diagnosis.with_severity(Severity.INFO)] == [
            "redundant_bias"
        ]
