"""Outside theory: what the weights at step 0 tell of a profile that leaves its band."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope.analyzer.diagnose import diagnose
from gradscope.analyzer.theory import measured_start
from gradscope.record import RunRecord
from gradscope.reporters.remedies.reader import Reader, reader_of
from gradscope.reporters.remedies.wording import remedies_text
from tests.analyzer.synthetic import CONFIG, geometric, network, record
from tests.layers import with_kind


def started(drawn_for: str, gain: float, **facts: object) -> RunRecord:
    """Hidden layers of 100 units whose weights have fan_in E w^2 = `gain`."""
    layers = tuple(
        replace(layer, **facts) if layer.role == "hidden" else layer
        for layer in network([100] * 5, activation=drawn_for, features=100)
    )
    return record(layers, hidden_figures={"weight_second_moment": gain / 100.0})


def test_small_weights_are_named_by_their_size() -> None:
    # He draws fan_in E w^2 = 2; 0.02 is a tenth of it in rms.
    cause, remedies = measured_start.explanation(started("relu", 0.02))
    assert "0.1 times as large (rms) as those relu is paired with (he_normal)" in cause
    assert remedies_text(remedies, Reader()) == "model.initializer: he_normal"


@pytest.mark.parametrize(("gain", "usual"), [(2.0 / 1.68, True), (2.0 / 1.70, False)])
def test_the_usual_size_ends_at_a_factor(gain: float, usual: bool) -> None:
    cause, _ = measured_start.explanation(started("relu", gain))
    assert ("as large as is usual" in cause) == usual


def test_usual_weights_leave_the_activation() -> None:
    cause, remedies = measured_start.explanation(started("sigmoid", 1.0))
    assert "whose derivative is at most 0.25" in cause
    assert (
        remedies_text(remedies, Reader())
        == "model.activation: relu with model.initializer: he_normal"
    )


def test_usual_weights_and_a_good_activation_leave_the_depth() -> None:
    cause, remedies = measured_start.explanation(started("relu", 2.0))
    assert cause == "The weights start as large as is usual for relu."
    assert remedies_text(remedies, Reader()).startswith("skip connections")


@pytest.mark.parametrize(
    "facts", [{"traits": ()}, {"normalization": "before_activation"}, {"activation": "mine"}]
)
def test_nothing_is_told_of_weights_that_do_not_set_the_size(facts: dict[str, str]) -> None:
    assert measured_start.explanation(started("relu", 0.02, **facts)) == ("", ())


def test_a_model_of_the_user_s_is_advised_in_keras_words() -> None:
    config = {
        **CONFIG,
        "model": {"source": {"factory": "mine:net"}, "batch_norm": {"epsilon": 1e-3}},
    }
    layers = tuple(with_kind(x, "Conv2D") for x in network([100] * 5, features=100))
    made = record(
        layers,
        signal=geometric(1e-6),
        hidden_figures={"weight_second_moment": 2e-4},
        config=config,
    )
    found = diagnose(made, select=("vanishing_signal",))
    remedies = found.verdicts[0].findings[0].remedies
    assert remedies_text(remedies, reader_of(made)) == 'kernel_initializer="he_normal"'
