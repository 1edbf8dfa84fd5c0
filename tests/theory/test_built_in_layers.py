"""The layer table told from a config is the one that a survey of the built model gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.datasets.samples import Samples
from gradscope.record.layers import branches
from gradscope.theory.built_in_layers import built_in_layers

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
OTHERS: dict[str, dict[str, Any]] = {
    "prelu": {"depth": 2, "width": 4, "activation": {"name": "prelu", "alpha": 0.1}},
    "prelu_norm": {
        "depth": 2,
        "width": 4,
        "activation": "prelu",
        "batch_norm": "before_activation",
        "dropout": 0.1,
    },
    "linear_norm": {"hidden": [5, 3], "activation": "linear", "batch_norm": "after_activation"},
    "linear_norm_before": {
        "hidden": [5],
        "activation": "linear",
        "batch_norm": "before_activation",
    },
    "mixed": {
        "activation": "silu",
        "layers": [
            {"units": 6, "bias_initializer": {"name": "random_normal", "stddev": 0.2}},
            {"units": 5, "batch_norm": "after_activation", "dropout": 0.25},
            {"units": 4, "use_bias": False, "initializer": {"name": "orthogonal", "gain": 1.5}},
        ],
        "batch_norm": {"placement": "none", "input": True},
    },
}


def samples_of(name: str) -> Samples:
    """Three samples are enough to build a model; images, one binary label, real targets."""
    shape = (28, 28) if name == "fashion_mini" else (7,)
    x = np.zeros((3, *shape), np.float32)
    if name == "regression":
        return Samples(x, np.zeros((3, 2), np.float32), x[:0], x[:0], "regression", None)
    return Samples(
        x, np.array([0, 1, 1]), x[:0], x[:0], "classification", 2 if name != "fashion_mini" else 10
    )


def agree(config: Any, data: str) -> None:
    from gradscope.runner.network import model
    from gradscope.runner.step import measured_step

    samples = samples_of(data)
    targets = 1 if samples.y.ndim == 1 else samples.y.shape[1]
    built = model.build(config, samples.x.shape[1:], samples.task, samples.classes, targets)
    surveyed = measured_step.survey_model(built.model, samples.x)
    told = built_in_layers(config, samples.x.shape[1:], samples.task, samples.classes, targets)
    # What of a layer is not measured, and why, is for the runner to say.
    assert told == tuple(replace(layer, unmeasured={}) for layer in surveyed.layers)
    assert not branches(surveyed.layers)
    assert not branches(told)


@pytest.mark.tensorflow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs(path: Path, runner_settings: Any) -> None:
    narrow = [] if "hidden" in path.read_text() else ["model.width=7"]
    agree(api.load_config(path, narrow), "fashion_mini")


@pytest.mark.tensorflow
@pytest.mark.parametrize("data", ["binary", "regression"])
@pytest.mark.parametrize("name", OTHERS)
def test_other_shapes(name: str, data: str, runner_settings: Any) -> None:
    agree(api.load_config({"name": name, "model": OTHERS[name]}), data)
