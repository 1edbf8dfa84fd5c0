"""Raw pixels are a warning where the network learns all the same."""

from __future__ import annotations

from typing import Any

import pytest

import gradscope

pytestmark = pytest.mark.tensorflow


def severities(scaling: str, steps: int, **model: Any) -> list[str]:
    """The severities of GS404 after a training on images from 0 to 255."""
    config = {
        "model": {"initializer": "he_normal", **model},
        "data": {"name": "fashion_mini", "scaling": scaling},
        "training": {"steps": steps, "optimizer": {"name": "nadam", "learning_rate": 5e-5}},
        "seed": 1,
    }
    diagnosis = gradscope.analyze(gradscope.run(config)).diagnosis
    verdict = next(verdict for verdict in diagnosis.verdicts if verdict.code == "GS404")
    return [str(finding.severity) for finding in verdict.findings]


def test_a_network_that_learns_from_raw_pixels() -> None:
    deep = {"hidden": [64] * 5, "activation": "elu"}
    assert severities("none", 200, **deep) == ["warning"]
    assert severities("standardize", 5, **deep) == []
