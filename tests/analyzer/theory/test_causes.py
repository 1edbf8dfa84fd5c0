"""Causes and remedies: their numbers against closed forms and against the theory itself."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.theory import causes, expectation
from gradscope.catalog.activations import ACTIVATIONS
from gradscope.record import Finding, RunRecord
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.reporters.remedies.reader import Reader, reader_of
from gradscope.reporters.remedies.wording import remedies_text, remedy_text
from gradscope.reporters.run.result_json import remedy_item
from tests.analyzer.synthetic import DATA, geometric, network, over_time, record


def advice(finding: Finding) -> str:
    return remedies_text(finding.remedies, Reader())


def found(detector: str, made: RunRecord) -> Finding:
    (finding,) = DETECTORS[detector](made)
    return finding


def sick(detector: str, depth: int, since: int = 0, **options: Any) -> Finding:
    """What `detector` says of a network of this depth whose profile leaves the band."""
    ratio = 1e-6 if "vanishing" in detector else 1e6
    quantity = "signal" if "signal" in detector else "delta"
    profile = geometric(ratio, depth)[:: -1 if quantity == "delta" else 1]
    layers = network([100] * depth, **options)
    values = over_time(41, (0, np.ones(depth)), (since, profile))
    return found(detector, record(layers, **{quantity: values}))


def says(finding: Finding) -> str:
    """The sentence and what belongs to it."""
    return f"{finding.message} {finding.details}".strip()


def why(finding: Finding) -> str:
    """The same of the cause."""
    return f"{finding.cause} {finding.cause_details}".strip()


def rates(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"x([\d.e+-]+) ", text)]


def sigmoid_rates(depth: int) -> tuple[float, float]:
    """Rms factors per layer of sigmoid with Glorot by the trapezoid rule, from 784 to 100."""
    z = np.linspace(-12, 12, 40001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    moment, q, slopes = 1.0, [], []
    for layer in range(depth):
        fan_in = 784 if layer == 0 else 100
        q.append(fan_in * 2 / (fan_in + 100) * moment)
        phi = 1 / (1 + np.exp(-np.sqrt(q[-1]) * z))
        moment = float(np.sum(density * phi**2))
        slopes.append(float(np.sum(density * (phi * (1 - phi)) ** 2)))
    delta = np.cumsum(np.log([1.0, *slopes[-2::-1]]))[::-1]
    at = np.arange(depth)
    return (
        float(np.exp(np.polyfit(at, np.log(q), 1)[0] / 2)),
        float(np.exp(-np.polyfit(at, delta, 1)[0] / 2)),
    )


@pytest.mark.parametrize("detector", ["vanishing_signal", "vanishing_gradient"])
@pytest.mark.parametrize("initializer", ["glorot_normal", "glorot_uniform"])
def test_relu_with_glorot_is_told_to_use_he(detector: str, initializer: str) -> None:
    finding = sick(detector, 30, activation="relu", initializer=initializer)
    # Glorot halves E z^2 at every ReLU layer, both ways: a factor 0.7071 on the rms.
    assert "x0.71 per layer for the signal, x0.71 for the gradient going back" in why(finding)
    assert f"relu with {initializer}" in why(finding)
    assert "standard deviation is 0.707 times the one relu is paired with" in why(finding)
    assert advice(finding).startswith("model.initializer: he_normal (theory: x1 per layer")


@pytest.mark.parametrize("depth", [20, 12])
def test_sigmoid_with_glorot_is_put_down_to_the_activation(depth: int) -> None:
    finding = sick("vanishing_gradient", depth, activation="sigmoid", initializer="glorot_uniform")
    signal, gradient = sigmoid_rates(depth)
    assert rates(finding.cause_details) == [float(f"{signal:.2g}"), float(f"{gradient:.2g}")]
    measured = 10 ** (6 / (depth - 1))
    assert finding.cause == (
        f"Each sigmoid passes back 1/4 at most: x{1 / measured:.2g} per layer, "
        f"theory x{gradient:.2g}."
    )
    assert "it is the activation, whose derivative is at most 0.25" in why(finding)
    assert advice(finding).startswith("model.activation: relu with model.initializer: he_normal")
    assert rates(advice(finding)) == [1.0, 1.0]


@pytest.mark.parametrize("detector", ["exploding_signal", "exploding_gradient"])
def test_weights_twice_too_large(detector: str) -> None:
    options: dict[str, object] = {"scale": 8.0, "mode": "fan_in", "distribution": "normal"}
    finding = sick(detector, 20, initializer="variance_scaling", initializer_parameters=options)
    assert rates(finding.cause_details) == [2.0, 2.0]
    assert finding.cause.startswith("The weights of variance_scaling are 2 times those relu needs")
    assert "standard deviation is 2 times the one relu is paired with (he_normal)" in why(finding)
    assert advice(finding).startswith("model.initializer: he_normal")


@pytest.mark.parametrize(
    "detector",
    ["vanishing_signal", "vanishing_gradient", "exploding_signal", "exploding_gradient"],
)
def test_a_sound_start_that_training_spoils(detector: str) -> None:
    finding = sick(detector, 20, since=12)
    assert "x1 per layer forward and x1 back at initialisation" in why(finding)
    assert "Training did it, not the initialisation" in why(finding)
    assert advice(finding) == "training.learning_rate: 0.002, a tenth of the 0.02 used"


def test_a_start_that_is_not_what_the_config_says() -> None:
    finding = sick("vanishing_gradient", 20)
    assert "The network does not start as its config says" in why(finding)
    assert finding.remedies == ()


KNOWN = replace(DATA, geometry=SampleGeometry(1.0))


def test_a_departure_at_step_0_is_named_and_what_training_did_told_apart() -> None:
    start = [1.4, 1.4, 1.4, 14.0, 14.0, 14.0]
    made = record(6, signal=over_time(41, (0, start), (12, [1.0, 1, 1, 1, 1, 1e4])), data=KNOWN)
    finding = found("exploding_signal", made)
    assert finding.since_step == 12
    assert "The first layer outside theory's band is hidden_4" in why(finding)
    assert finding.cause == "Training did it, not the initialisation."
    assert advice(finding).startswith("training.learning_rate")
    level = over_time(41, (0, [1.4] * 6), (12, [1.0, 1, 1, 1, 1, 1e4]))
    sound = found("exploding_signal", record(6, signal=level, data=KNOWN))
    assert why(sound).startswith("Training did it, not the initialisation. Theory expects x1 ")


def test_a_sick_start_inside_a_wide_band_is_chance() -> None:
    # 30 ReLU layers of 100 units: ln E z^2 scatters by sqrt(5 * 30 / 100) at the last.
    layers = network([100] * 30)

    def cause(ratio: float) -> Finding:
        made = record(layers, signal=1.4 * geometric(ratio, 30), data=KNOWN)
        return DETECTORS["vanishing_signal"](made, threshold=0.15)[0]

    assert "every layer starts in theory's band" in cause(0.12).cause
    assert "does not start as its config says" not in why(cause(0.12))
    assert "does not start as its config says." in cause(1e-3).cause
    assert "The first layer outside theory's" in cause(1e-3).cause_details


@pytest.mark.parametrize(
    ("detector", "clause"),
    [
        ("vanishing_signal", "with hidden_21 the first below 0.001 (at 0.000977)"),
        ("vanishing_gradient", "with hidden_10 the first below 0.001 (at 0.000977)"),
    ],
)
def test_where_the_config_is_the_cause_theory_says_where_it_crosses(
    detector: str, clause: str
) -> None:
    # 2**-10 = 0.000977 twenty layers on.
    cause = why(sick(detector, 30, initializer="glorot_normal"))
    assert clause in cause
    assert "outside theory's band" not in cause


@pytest.mark.parametrize("detector", ["exploding_signal", "exploding_gradient"])
def test_theory_that_expects_the_opposite_is_no_cause(detector: str) -> None:
    finding = sick(detector, 30, since=12, initializer="glorot_normal")
    assert "Theory expects it" not in why(finding)
    assert "Training did it" in why(finding)


def test_theory_that_expects_it_of_the_other_quantity_is_no_cause() -> None:
    # Sigmoid keeps the signal and loses the gradient.
    finding = sick("vanishing_signal", 20, 12, activation="sigmoid", initializer="glorot_normal")
    assert "Training did it" in why(finding)


def test_a_start_that_theory_puts_near_the_limit_is_put_down_to_the_config() -> None:
    # 15 ReLU layers with Glorot: 2**-7 of the rms, and chance did the rest.
    finding = sick("vanishing_gradient", 15, initializer="glorot_normal")
    assert "Theory expects it of relu with glorot_normal" in why(finding)
    assert "which takes no layer below 0.001 without chance" in why(finding)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"initializer": "zeros"}, "zeros draws no random weights"),
        ({"activation": "mine"}, "activation mine of layer hidden_1 is unknown"),
    ],
)
def test_outside_theory_nothing_is_claimed(options: dict[str, str], reason: str) -> None:
    finding = sick("vanishing_gradient", 10, **options)
    assert finding.cause_details.startswith("Theory does not cover this network")
    assert reason in why(finding)
    assert finding.remedies == ()


def test_batch_norm_is_not_put_down_to_the_weights() -> None:
    finding = sick("exploding_gradient", 60, normalization="before_activation")
    # Yang et al. 2019: sqrt(1.522) per layer for ReLU on batches of 32.
    assert "x1.2 for the gradient going back" in why(finding)
    assert "Batch norm sets the signal's size, whatever the weights' variance." in why(finding)
    assert "standard deviation" not in why(finding)
    assert advice(finding)


def test_every_remedy_is_level_by_the_theory_itself() -> None:
    checked = 0
    for activation, entry in ACTIVATIONS.items():
        if not entry.hidden:
            continue
        for initializer in ("glorot_uniform", "he_normal", "random_normal"):
            layers = network([64] * 12, activation=activation, initializer=initializer)
            made = record(layers, steps=1)
            remedies = causes.smallest_change(made)
            if not remedies:
                continue
            [remedy] = remedies
            settings = dict(remedy.settings)
            changed: dict[str, Any] = {
                key: settings[f"model.{key}"]
                for key in ("activation", "initializer")
                if f"model.{key}" in settings
            }
            changed |= {f"{key}_parameters": {} for key in changed}
            if "model.batch_norm" in settings:
                changed["normalization"] = settings["model.batch_norm"]
            assert changed
            layers = tuple(
                replace(layer, **changed) if layer.role == "hidden" else layer for layer in layers
            )
            signal, delta = expectation.end_to_end(expectation.expected(made, layers))
            assert remedy.promise is not None
            assert remedy.promise.signal_per_layer == pytest.approx(signal ** (1 / 11), rel=0.2)
            assert remedy.promise.gradient_per_layer == pytest.approx(delta ** (1 / 11), rel=0.2)
            assert 1 / 30 < signal < 30
            assert 1 / 30 < delta < 30
            checked += 1
    assert checked > 30


@pytest.mark.parametrize("depth", [0, 1])
def test_no_change_is_proposed_without_a_profile(depth: int) -> None:
    assert causes.smallest_change(record(depth)) == ()


def test_causes_of_values_that_are_not_finite() -> None:
    update = over_time(41, (0, [1e-3] * 6), (7, [1e-3, 55.0, 1, 1, 1, 1]), (8, [1e-3] * 6))
    late = found("non_finite", record(update=update, broken={"forward": (40, 2, 3)}))
    assert (
        "step 40, first in the forward pass of hidden_2. Values that are not finite there: 3."
        in says(late)
    )
    assert "The loss before it was 2.5." in says(late)
    assert late.cause == "Step 7 changed hidden_2 by 55 times its size, at learning rate 0.02."
    assert advice(late).startswith("training.learning_rate: 0.002")
    layers = network([100] * 9, initializer="glorot_normal")
    early = found("non_finite", record(layers, broken={"backward": (0, 2, 3)}))
    assert "first in the backward pass of hidden_2" in says(early)
    assert "before any update" in why(early)
    assert "learning_rate" not in advice(early)
    lost = found("non_finite", record(loss=[np.nan] * 41))
    assert "first in the loss." in says(lost)


def test_remedies_of_saturated_units() -> None:
    layers = network([100] * 5, activation="tanh", initializer="random_normal")
    later = record(layers, gain=over_time(41, (0, [0.6] * 5), (9, [0.1] * 5)))
    assert advice(found("saturated_units", later)).startswith("training.learning_rate: 0.002")
    start = record(layers, gain=0.1)
    assert "model.initializer" in advice(found("saturated_units", start))
    raw = record(layers, gain=0.1, data=replace(DATA, second_moment=13000.0))
    assert advice(found("saturated_units", raw)) == "data.scaling: standardize"


def test_remedies_of_dead_units() -> None:
    later = found("dead_units", record(dead=over_time(41, (0, [0.1] * 5), (9, [1.0] * 5))))
    assert advice(later).startswith("training.learning_rate: 0.002")
    assert "at initialisation 10%" in says(later)
    assert "learning_rate" not in advice(found("dead_units", record(dead=1.0)))


def test_a_cut_gradient_has_no_rate() -> None:
    finding = found("vanishing_gradient", record(delta=[0.0, 0.0, 1.0, 1.0, 1.0]))
    assert "gets nothing of what reaches hidden_5" in finding.message
    assert "delta falls, since initialisation; hidden_1 to hidden_2" in finding.details


def test_the_rate_in_a_message() -> None:
    profile = geometric(1e-8)
    finding = found("vanishing_gradient", record(delta=profile[::-1]))
    assert finding.message.endswith("hidden_1 gets 1e-08 of what reaches hidden_5.")
    assert "falls (x0.01 per layer going back)" in finding.details
    assert "hidden_1 to hidden_3 get less than 1/1000 of it" in says(finding)
    finding = found("exploding_signal", record(signal=1 / profile))
    assert finding.message.endswith("hidden_5 gets 1e+08 times the signal in hidden_1.")
    assert "grows (x1e+02 per layer)" in finding.details
    assert "hidden_3 is the first layer above 1000 times it" in says(finding)
    finding = found("vanishing_signal", record(signal=profile))
    assert finding.message.endswith("hidden_5 gets 1e-08 of the signal in hidden_1.")
    assert "falls (x0.01 per layer)" in finding.details
    assert "hidden_3 is the first layer below 1/1000 of it" in says(finding)


def test_the_peak_of_a_spike_is_named() -> None:
    update = over_time(41, (0, [1e-3] * 6), (4, [2.0] * 6), (5, [3.0] * 6), (6, [2.0] * 6))
    update[7:] = 1e-3
    finding = found("unstable_updates", record(update=update))
    assert "by 3 times their size. That is the rms of the change, at step 5;" in says(finding)
    assert finding.cause == "The learning rate is 0.02."
    assert finding.evidence.steps == (4, 6)
    assert finding.evidence.interval == (2.0, 3.0)


def test_the_bound_of_units_found_dead() -> None:
    evidence = found("dead_units", record(dead=1.0, probe_samples=600)).evidence
    assert (evidence.n, evidence.interval) == (600, (0.0, 0.005))
    assert found("dead_units", record(dead=1.0, probe_samples=2)).evidence.interval == (0.0, 1.0)


def test_the_evidence_of_a_profile_is_of_its_window() -> None:
    values = over_time(41, (0, [1.0] * 5), (12, geometric(1e-6)), (33, geometric(1e-5)))
    evidence = found("vanishing_signal", record(signal=values)).evidence
    assert evidence.steps == (30, 40)
    assert evidence.interval == pytest.approx((1e-6, 1e-5), rel=1e-9)
    assert evidence.n == 32 * 100


def test_theory_starts_from_what_the_first_layer_is_fed() -> None:
    raw = replace(DATA, second_moment=50.0)
    for input_norm, fed in ((False, 50.0), (True, 1.0)):
        made = record(network([100] * 3, input_norm=input_norm), data=raw)
        prediction = expectation.expected(made)
        # He: E z^2 = 2 E x^2 at the first layer.
        assert prediction.preactivation_second_moment[0] == pytest.approx(2.0 * fed, rel=1e-12)


def test_a_model_of_the_user_gets_a_change_of_its_layers() -> None:
    built_in = record(network([64] * 20, activation="sigmoid"), steps=1)
    source = {"factory": "nets:build", "arguments": {}}
    users = replace(
        built_in, config=built_in.config | {"model": built_in.config["model"] | {"source": source}}
    )
    [remedy] = causes.smallest_change(users)
    assert [remedy] == list(causes.smallest_change(built_in))
    assert dict(remedy.settings) == {"model.activation": "relu", "model.initializer": "he_normal"}
    reader = reader_of(users)
    text = 'activation="relu" with kernel_initializer="he_normal"'
    assert remedy_text(remedy, reader).startswith(text)
    assert remedy_item(remedy, reader)["arguments"] == []
    assert len(remedy_item(remedy, reader_of(built_in))["arguments"]) == 4
