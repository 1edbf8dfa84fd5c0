"""How many numbers stand behind each finding, counted from the record by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.record import Finding, LayerInfo, Role, RunRecord
from tests.analyzer.detectors.test_remedies import findings_with_records
from tests.analyzer.synthetic import network, normed, over_time, record


def values_per_step(made: RunRecord, finding: Finding) -> int:
    """Samples times units of the narrowest layer."""
    units = [layer.units or 1 for layer in made.layers if layer.name in finding.layers]
    return made.batch_size * min(units)


def weights(made: RunRecord, finding: Finding) -> int:
    return min(layer.parameters for layer in made.layers if layer.name in finding.layers)


def layer_named(made: RunRecord, finding: Finding) -> LayerInfo:
    return next(layer for layer in made.layers if layer.name == finding.layers[0])


def late_losses(made: RunRecord, _: Finding) -> int:
    """A quarter of the finite losses after step 0, rounded up."""
    count = int(np.isfinite(made.scalars["loss"][made.steps > 0]).sum())
    return -(-count // 4)


COUNTS: dict[str, Callable[[RunRecord, Finding], int]] = {
    "batch_norm_explosion": values_per_step,
    "batch_norm_inference_gap": lambda made, finding: (
        made.answers.samples
        if finding.evidence.phase == "both modes"
        else made.data.test_samples
        if finding.message.startswith("In inference mode the network")
        else values_per_step(made, finding)
    ),
    "batch_norm_momentum": lambda made, _: made.outcome.steps_done,
    "batch_norm_small_batch": lambda made, finding: min(
        made.batch_size * layer.positions for layer in made.layers if layer.name in finding.layers
    ),
    "collapsed_representation": values_per_step,
    "constant_normalization": lambda made, finding: len(finding.layers),
    "averaged_weights": lambda made, _: made.objective.ema_overwrite_frequency,  # type: ignore[union-attr]
    "constant_inputs": lambda made, _: made.objective_start.inputs.samples,  # type: ignore[union-attr]
    "constrained_weights": lambda made, _: made.batch_size,
    "constant_targets": lambda made, _: made.data.targets.samples,  # type: ignore[union-attr]
    "cut_gradient": lambda made, _: sum(step > 1 for step in made.steps.tolist()),
    "departed_weights": lambda made, _: made.draws.count,  # type: ignore[union-attr]
    "dead_units": lambda made, finding: (
        made.probe_samples
        if finding.message.startswith("Units are dead")
        else values_per_step(made, finding)
    ),
    "diverging_loss": late_losses,
    "dominant_penalty": lambda made, _: sum(
        made.layers[i].parameters for i in made.indices(Role.HIDDEN, Role.OUTPUT)
    ),
    "excessive_dropout": lambda made, finding: (
        (layer_named(made, finding).units or 0) * layer_named(made, finding).positions
    ),
    "exhausted_learning_rate": lambda made, _: int(
        np.isfinite(made.scalars["learning_rate"][made.steps > 0]).sum()
    ),
    "exploding_gradient": values_per_step,
    "exploding_signal": values_per_step,
    "frozen_layers": lambda made, finding: (
        made.objective_start.weights.parameters  # type: ignore[union-attr]
        if "trainable" in finding.message
        else weights(made, finding)
    ),
    "initializer_mismatch": values_per_step,
    "mixed_samples": lambda made, _: made.batch_size,
    "non_finite": lambda made, finding: round(finding.observed),
    "not_learning": lambda made, _: int(np.isfinite(made.scalars["loss"][made.steps > 0]).sum()),
    "optimizer_epsilon": values_per_step,
    "oscillating_loss": late_losses,
    "output_mismatch": lambda *_: 1,
    "redundant_bias": lambda made, finding: values_per_step(made, finding) // made.batch_size,
    "saturated_units": values_per_step,
    "selu_conditions": lambda made, finding: (
        made.data.samples if "the features have" in finding.message else len(finding.layers)
    ),
    "symmetric_units": lambda made, finding: (
        weights(made, finding)
        if "start with the same" in finding.message
        else values_per_step(made, finding)
    ),
    "saturated_output": lambda made, _: made.batch_size,
    "underflow": values_per_step,
    "unshuffled_data": lambda made, _: made.objective_start.order.batches,  # type: ignore[union-attr]
    "unmatched_targets": lambda made, _: (
        made.objective_start.dependence.answer_shape[0]  # type: ignore[union-attr]
        if made.objective_start.dependence is not None  # type: ignore[union-attr]
        else len(made.scalars["loss"])
    ),
    "unread_positions": lambda made, _: made.batch_size,
    "unscaled_targets": lambda made, _: made.batch_size,
    "untracked_variables": lambda made, _: sum(
        item.parameters
        for item in made.objective_start.weights.unknown  # type: ignore[union-attr]
        if item.reached
    ),
    "unscaled_input": lambda made, _: made.data.samples,
    "unstable_updates": weights,
    "vanishing_gradient": values_per_step,
    "vanishing_signal": values_per_step,
    "vanishing_through_time": values_per_step,
}


def test_every_detector_is_counted() -> None:
    assert set(COUNTS) == set(DETECTORS)


@pytest.mark.parametrize("name", DETECTORS)
def test_the_numbers_behind_a_finding(name: str) -> None:
    counted = 0
    for detector, made, finding in findings_with_records():
        if detector == name:
            assert finding.evidence.n == COUNTS[name](made, finding), finding.message
            counted += 1
    assert counted


UNEVEN = network([30, 20, 40], features=9)
"""Layers of 300, 620 and 840 weights."""


@pytest.mark.parametrize(
    ("detector", "made", "layers", "n"),
    [
        ("vanishing_gradient", record(UNEVEN, delta=[1e-6, 1e-5, 1]), 2, 32 * 20),
        ("vanishing_signal", record(UNEVEN, signal=[1, 1, 1e-5]), 1, 32 * 40),
        ("exploding_signal", record(UNEVEN, signal=[1, 1e5, 1e5]), 2, 32 * 20),
        ("unstable_updates", record(UNEVEN, update=[0.5, 0.5, 1e-3, 1e-3]), 2, 300),
        ("unstable_updates", record(UNEVEN, update=[1e-3, 0.5, 0.5, 1e-3]), 2, 620),
        ("frozen_layers", record(UNEVEN, update=[1e-12, 1e-3, 1e-12, 1e-3]), 2, 300),
        ("dead_units", record(UNEVEN, dead=[0.0, 1.0, 1.0], probe_samples=77), 2, 77),
        (
            "batch_norm_small_batch",
            record(normed(network([30, 20]), positions=2), batch_size=3),
            2,
            6,
        ),
    ],
)
def test_layers_of_other_widths_count_by_the_narrowest_that_is_named(
    detector: str, made: RunRecord, layers: int, n: int
) -> None:
    (finding,) = DETECTORS[detector](made)
    assert len(finding.layers) == layers
    assert finding.evidence.n == n


def test_the_evidence_of_dead_units_is_every_step_at_which_the_probe_set_was_shown() -> None:
    dead = over_time(41, (0, [np.nan] * 3), (20, [1.0] * 3), (21, [np.nan] * 3), (40, [1.0] * 3))
    dead[0] = 0.0
    (finding,) = DETECTORS["dead_units"](record(UNEVEN, dead=dead, probe_samples=60))
    assert finding.evidence.steps == (0, 20, 40)
    assert finding.evidence.interval == (0.0, 0.05)
    assert finding.evidence.batch_size == 60
