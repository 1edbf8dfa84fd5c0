"""What findings advise beside each other, and the causes that they name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.diagnose import diagnose
from gradscope.record import (
    Action,
    Diagnosis,
    Finding,
    ObjectiveInfo,
    RunRecord,
    TargetSummary,
)
from tests.analyzer.synthetic import USERS, geometric, network, normed, over_time, record

LATE = np.arange(41) >= 20
SPARSE = ("training.loss", "sparse_categorical_crossentropy")


def finding(diagnosis: Diagnosis, name: str) -> Finding:
    [verdict] = [verdict for verdict in diagnosis.verdicts if verdict.name == name]
    [only] = verdict.findings
    return only


def actions(advice: Finding) -> list[str]:
    return [remedy.action.value for remedy in advice.remedies]


def test_no_two_findings_advise_the_opposite() -> None:
    """Too large a step in five layers, none in another: one learning rate cannot be both."""
    diagnosis = diagnose(record(update=[0.5, 0.5, 0.5, 0.5, 0.5, 0.0]))
    assert diagnosis.codes[:2] == ("GS105", "GS104")
    assert actions(finding(diagnosis, "unstable_updates")) == ["lower_learning_rate"]
    assert actions(finding(diagnosis, "frozen_layers")) == []


def test_no_learning_rate_is_advised_where_the_gradient_is_zero() -> None:
    still = diagnose(record(update=0.0))
    assert actions(finding(still, "frozen_layers")) == ["raise_learning_rate", "freeze_layers"]
    zero = {"kernel_gradient_second_moment": 0.0}
    cut = diagnose(record(update=0.0, hidden_figures=zero))
    assert actions(finding(cut, "frozen_layers")) == ["freeze_layers"]


def test_an_output_below_the_slope_of_its_relu_is_told_of_it() -> None:
    made = record(
        update=0.0,
        hidden_figures={"kernel_gradient_second_moment": 0.0},
        data=replace(record().data, task="own", classes=None),
    )
    output = len(made.layers) - 1
    relu = replace(made.layers[output], activation="relu")
    made.series["derivative_gain"][:, output] = 0.0
    flat = finding(diagnose(replace(made, layers=(*made.layers[:-1], relu))), "frozen_layers")
    assert (
        flat.cause == "The relu of output has a slope of 0 for every sample: no gradient passes it."
    )
    assert [remedy.settings for remedy in flat.remedies] == [
        (("model.output.activation", "linear"),)
    ]
    made.series["derivative_gain"][-1, output] = 0.1
    assert not finding(diagnose(made), "frozen_layers").cause


@pytest.mark.parametrize(
    ("largest", "advised"),
    [
        (0.6, ["lower_learning_rate", "use_leaky_activation"]),
        (2.0, ["lower_learning_rate"]),
    ],
)
def test_a_leaky_activation_does_not_mend_steps_that_replace_the_weights(
    largest: float, advised: list[str]
) -> None:
    """configs/chapter/dying.yaml and configs/dying_relu.yaml: tried, docs/remedies.md."""
    dead = over_time(41, (0, [0.05] * 5), (2, [0.05, 1.0, 1.0, 1.0, 1.0]))
    update = over_time(41, (0, [0.0] * 6), (1, [largest] * 6), (2, [1e-3] * 6))
    diagnosis = diagnose(record(dead=dead, update=update))
    assert actions(finding(diagnosis, "dead_units")) == advised


def test_units_that_biases_keep_silent_are_told_of_the_biases() -> None:
    """z of mean -10 and deviation 1.4 at the start: E z^2 is 102."""
    far = {"preactivation_second_moment": 102.0, "preactivation_variance": 2.0}
    dead = finding(diagnose(record(dead=1.0, hidden_figures=far)), "dead_units")
    assert (
        dead.cause
        == "z of hidden_1 starts at -10 with a deviation of 1.4: its biases put it there."
    )
    assert [remedy.settings for remedy in dead.remedies] == [
        (("model.bias_initializer", "zeros"),),
        (("model.activation", "leaky_relu"),),
    ]
    near = {"preactivation_second_moment": 10.0, "preactivation_variance": 2.0}
    usual = finding(diagnose(record(dead=1.0, hidden_figures=near)), "dead_units")
    assert (usual.cause, actions(usual)) == ("", ["use_leaky_activation"])


def test_broken_selu_conditions_are_mended_together() -> None:
    he = network([784] * 5, activation="selu", initializer="he_normal")
    mean = replace(record().data, mean=0.3, second_moment=1.09)
    diagnosis = diagnose(record(he, data=mean), select=("selu_conditions",))
    [verdict] = diagnosis.verdicts
    features, weights = verdict.findings
    assert features.cause.startswith("Broken too: he_normal gives hidden_1 weights")
    assert weights.cause == "Broken too: the features have mean 0.3, not 0."
    both = (("data.scaling", "standardize"), ("model.initializer", "lecun_normal"))
    assert [r.settings for f in verdict.findings for r in f.remedies] == [both, both]
    alone = diagnose(record(he), select=("selu_conditions",)).verdicts[0].findings
    assert [f.cause for f in alone] == [""]


def test_unscaled_inputs_go_into_each_remedy_of_the_error_beside_them() -> None:
    fading = geometric(1e-9)[::-1]
    layers = network([100] * 5, activation="sigmoid", initializer="glorot_uniform")
    raw = replace(record().data, mean=4e3, second_moment=4e3**2, minimum=0.0, maximum=1e4)
    fitting = diagnose(record(layers, delta=fading)).remedies
    diagnosis = diagnose(record(layers, delta=fading, data=raw))
    assert diagnosis.verdicts[0].name == "vanishing_gradient"
    scaled = ("data.scaling", "standardize")
    assert [r.settings for r in diagnosis.remedies] == [
        (scaled, *r.settings) if r.action is Action.CHANGE_SETTINGS else r.settings for r in fitting
    ]
    assert scaled in diagnosis.remedies[0].settings


def test_unscaled_inputs_that_lead_have_their_alternatives_apart() -> None:
    """A batch norm at the input scales by itself; it is not told to come with the scaling."""
    raw = replace(record().data, mean=0.0, second_moment=1e4, minimum=-300.0, maximum=300.0)
    diagnosis = diagnose(record(data=raw, loss=np.full(41, 2.4)))
    assert diagnosis.verdicts[0].name == "unscaled_input"
    assert [remedy.settings for remedy in diagnosis.remedies] == [
        (("data.scaling", "standardize"),),
        (("model.batch_norm.input", True),),
    ]


def slow_adam(rate: float, update: float) -> RunRecord:
    """A training by Adam at a tiny rate."""
    made = record(steps=100, update=update)
    optimizer = {"name": "adam", "parameters": {"learning_rate": rate}}
    training = made.config["training"] | {"optimizer": optimizer}
    rates = made.scalars | {"learning_rate": np.full(len(made.steps), rate)}
    return replace(made, config=made.config | {"training": training}, scalars=rates)


def test_weights_that_stand_still_ask_for_a_computed_rate() -> None:
    """A step of 1e-10 of the weights at 1e-11: 1e-2 of them takes 0.001, Adam's default."""
    diagnosis = diagnose(slow_adam(1e-11, 1e-10))
    assert diagnosis.verdicts[0].code == "GS104"
    assert diagnosis.remedies[0].action is Action.RAISE_LEARNING_RATE
    assert diagnosis.remedies[0].settings == (("training.learning_rate", 0.001),)


def test_steps_too_small_to_tell_anything_ask_for_a_larger_rate() -> None:
    """Adam's first step of 1e-7 of the weights at 1e-8: 1e-2 of them takes 0.001, its default."""
    # More steps would have to be 100,000 times as many.
    [larger] = diagnose(slow_adam(1e-8, 1e-7)).remedies
    assert larger.settings == (("training.learning_rate", 0.001),)
    assert larger.action is Action.RAISE_LEARNING_RATE
    slow = [remedy.action for remedy in diagnose(record(steps=100, update=1e-4)).remedies]
    assert slow == [Action.RAISE_LEARNING_RATE, Action.TRAIN_LONGER]
    usual = [remedy.action for remedy in diagnose(record(steps=100, update=2e-4)).remedies]
    assert usual == [Action.TRAIN_LONGER]


def test_a_signal_that_explodes_before_it_is_nan_is_one_cause() -> None:
    """From step 10 on the signal is 1e6 times as large in the last layer; at 20 it is infinite."""
    signal = over_time(41, (0, [1.0] * 5), (10, geometric(1e6)))
    made = record(signal=signal, broken={"forward": (20, 5, 64)}, loss=np.where(LATE, np.nan, 2.5))
    diagnosis = diagnose(replace(made, outcome=replace(made.outcome, status="diverged")))
    lead, gone = finding(diagnosis, "non_finite"), finding(diagnosis, "exploding_signal")
    assert diagnosis.codes[0] == "GS501"
    assert (lead.caused_by, gone.caused_by) == ("", "GS501")
    assert actions(gone) == []


def test_the_cause_of_alike_samples() -> None:
    """Data with a deviation of sqrt(6e-5) about a mean of -2."""
    data = replace(record().data, mean=-2.0, second_moment=4.0 + 6e-5)
    alike = {"activation_second_moment": 1.0, "activation_sample_variance": 1e-12}
    collapsed = finding(
        diagnose(record(hidden_figures=alike, data=data)), "collapsed_representation"
    )
    assert collapsed.cause == "The input itself differs by 0.0039 of its size: is it scaled twice?"
    assert actions(collapsed) == ["scale_once"]
    other = finding(diagnose(record(hidden_figures=alike)), "collapsed_representation")
    assert other.cause == ""
    assert "scale_once" not in actions(other)


@pytest.mark.parametrize("steps", [1, 20, 68, 69, 400])
def test_the_momentum_that_is_named_arrives_in_as_many_steps(steps: int) -> None:
    def judged(momentum: float) -> tuple[Finding, ...]:
        layers = normed(network([9, 9], normalization="before_activation"), momentum=momentum)
        verdicts = diagnose(record(layers, steps=steps)).verdicts
        [verdict] = [verdict for verdict in verdicts if verdict.name == "batch_norm_momentum"]
        return verdict.findings

    [slow] = judged(0.999)
    [(_, momentum)] = slow.remedies[0].settings
    assert (momentum == 0.99) is (steps >= 69)  # 0.99^69 is just below a half
    assert judged(float(str(momentum))) == ()


@pytest.mark.parametrize("momentum", [0.9, 0.97, 0.99])
def test_more_steps_are_as_many_as_the_momentum_needs(momentum: float) -> None:
    layers = normed(network([9, 9], normalization="before_activation"), momentum=momentum)
    [few] = DETECTORS["batch_norm_momentum"](record(layers, steps=5))
    longer, lower = few.remedies
    [(_, steps)] = longer.settings
    assert 0.04 < momentum**steps <= 0.1
    [(_, smaller)] = lower.settings
    assert smaller**5 == pytest.approx(0.1, rel=0.1)
    for other, count in ((momentum, steps), (smaller, 5)):
        layers = normed(network([9, 9], normalization="before_activation"), momentum=other)
        assert DETECTORS["batch_norm_momentum"](record(layers, steps=count)) == ()


@pytest.mark.parametrize(
    ("targets", "advice"),
    [
        (None, ("training.loss", "sparse_categorical_crossentropy")),
        (
            TargetSummary("indices", 1, 0.0, 9.0),
            ("training.loss", "sparse_categorical_crossentropy"),
        ),
        (TargetSummary("one_hot", 10, mean=0.1), ("training.loss", "categorical_crossentropy")),
        (TargetSummary("real", 10, mean=0.1), ("training.loss", "categorical_crossentropy")),
        (TargetSummary("real", 10, mean=0.4), ("model.output.activation", "sigmoid")),
    ],
)
def test_a_softmax_unit_by_unit_gets_the_loss_of_its_targets(
    targets: TargetSummary | None, advice: tuple[str, str]
) -> None:
    """Soft labels sum to 1, pixels do not: for them it is the softmax that is wrong."""
    made = record(
        config=USERS,
        data=replace(record().data, task="own", classes=None, targets=targets),
        objective=ObjectiveInfo("binary_crossentropy"),
    )
    [remedy] = finding(diagnose(made), "output_mismatch").remedies
    assert remedy.settings == (advice,)
