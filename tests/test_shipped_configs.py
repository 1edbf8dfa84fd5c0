"""Every shipped config gives the verdict its file promises, for seed 0, or for seeds 0 to 4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.record import Severity
from tests.long_cases import long_cases

pytestmark = pytest.mark.tensorflow
CONFIGS = Path(__file__).parent.parent / "configs"
FIVE = pytest.param(5, marks=pytest.mark.long("five seeds, 20 s each"))

# config: (steps, verdict, the detectors that must find an error, root first, layers that are named)
PROMISED: dict[str, tuple[int, str, list[str], list[str]]] = {
    "quickstart": (40, "unhealthy", ["vanishing_gradient"], ["hidden_1", "hidden_14"]),
    "notebook": (80, "healthy", [], []),
    "notebook_bn_before": (80, "healthy", [], []),
    "relu_he_20": (60, "healthy", [], []),
    "relu_glorot_30": (
        30,
        "unhealthy",
        ["vanishing_signal", "vanishing_gradient"],
        ["hidden_25"],
    ),
    "relu_he_std2x": (20, "unhealthy", ["exploding_signal"], ["hidden_20"]),
    "tanh_glorot_10": (60, "healthy", [], []),
    "elu_he_20": (60, "healthy", [], []),
    "selu_lecun_100": (60, "healthy", [], []),
    # It learns all the same, so that the inputs are a warning.
    "selu_unscaled_inputs": (100, "warning", ["unscaled_input"], ["hidden_1"]),
    "leaky_relu_he": (60, "healthy", [], []),
    "dying_relu": (150, "unhealthy", ["dead_units"], []),
    "exploding_lr": (20, "unhealthy", ["non_finite"], []),
}

LONG = ("selu_lecun_100", "elu_he_20", "relu_glorot_30", "leaky_relu_he", "relu_he_std2x")


def test_every_shipped_config_is_promised() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == set(PROMISED)


@pytest.mark.parametrize("seeds", [1, FIVE])
@pytest.mark.parametrize("name", long_cases(PROMISED, LONG, "5 to 26 s each"))
def test_a_shipped_config_gives_its_verdict_for_each_seed(
    name: str, seeds: int, tensorflow_once: Any
) -> None:
    steps, verdict, detectors, layers = PROMISED[name]
    config = api.load_config(
        CONFIGS / f"{name}.yaml", [f"training.steps={steps}", "training.probe_samples=400"]
    )
    for record in api.run_seeds(config, range(seeds)):
        diagnosis = api.analyze(record).diagnosis
        grave = Severity.WARNING if verdict == "warning" else Severity.ERROR
        errors = [one.name for one in diagnosis.with_severity(grave)]
        told = (record.environment.seed, diagnosis.headline)
        assert diagnosis.verdict == verdict, told
        assert errors[: len(detectors)] == detectors, (errors, *told)
        assert not [one for one in diagnosis.verdicts if one.status == "crashed"]
        if detectors:
            lead = diagnosis.verdicts[0].findings[0]
            assert set(layers) <= set(lead.layers), told
            assert diagnosis.headline.startswith(lead.message)
            assert diagnosis.remedies, told
        if verdict == "healthy":
            _stays_well_inside(record)
        if name in {"quickstart", "tanh_glorot_10"}:
            hidden = list(record.indices("hidden"))
            assert np.nanmin(record.series["derivative_gain"][:, hidden]) > 0.45
        if name == "relu_glorot_30":
            _kernel_gradients_stay_flat(record)
        if name == "exploding_lr":
            assert lead.layers and 1 <= lead.since_step <= 10
            assert f"at step {lead.since_step}" in lead.message
            assert lead.layers[0] in lead.message


def _stays_well_inside(record: Any) -> None:
    """The distances that the detectors' documentation names, at every single step."""
    profile = depth_profile(record)
    assert np.nanmin(profile.delta_relative) > 0.1
    assert np.nanmax(profile.delta_relative) < (200 if len(profile.names) == 100 else 10)
    assert np.nanmax(record.series["dead_fraction"]) < 0.4


def _kernel_gradients_stay_flat(record: Any) -> None:
    """What a look at kernel gradients alone would see at initialisation: nothing."""
    hidden = list(record.indices("hidden"))[1:]
    kernel = record.series["kernel_gradient_second_moment"][0, hidden]
    delta = record.series["delta_second_moment"][0, hidden]
    assert 0.05 < (kernel[0] / kernel[-1]) ** 0.5 < 20
    assert (delta[0] / delta[-1]) ** 0.5 < 1e-3
