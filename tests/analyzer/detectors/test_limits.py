"""What a finding says where its rule turns over: closed by mutation testing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS
from tests.analyzer.detectors.cases_of_learning import ALWAYS
from tests.analyzer.synthetic import geometric, network, normed, record


def test_the_range_of_a_fall_is_two_standard_errors_to_either_side() -> None:
    loss = math.log(10) + 0.1 * ALWAYS
    (finding,) = DETECTORS["not_learning"](record(loss=loss, steps=100))
    low, high = finding.evidence.interval or (0.0, 0.0)
    late, third = loss[76:], loss[51:76]
    error = math.sqrt((late.var(ddof=1) + third.var(ddof=1)) / 25)
    assert high - low == pytest.approx(4 * error, rel=1e-9)
    assert (high + low) / 2 == pytest.approx(third.mean() - late.mean(), abs=1e-9)


@pytest.mark.parametrize(("depth", "told"), [(1, False), (2, True), (3, True)])
def test_two_layers_are_enough_for_a_ratio_over_depth(depth: int, told: bool) -> None:
    delta = geometric(1e-2, depth)[::-1] if depth > 1 else 1.0
    made = record(depth, loss=math.log(10) + 0.1 * ALWAYS, steps=100, delta=delta)
    (finding,) = DETECTORS["not_learning"](made)
    assert ("that of delta by x0.01 going back" in finding.cause) is told


def test_only_layers_beyond_the_limit_are_named_for_a_single_update() -> None:
    update = np.full((41, 4), 1e-3)
    update[7] = [2.0, 1.0, 1e-3, 1e-3]
    (finding,) = DETECTORS["unstable_updates"](record(3, update=update))
    assert finding.layers == ("hidden_1",)


def test_the_worse_of_two_ratios_is_told() -> None:
    layers = network([100] * 30, initializer="glorot_normal")
    profile = geometric(1e-3, 30)
    made = record(layers, signal=profile, delta=geometric(1e-6, 30)[::-1])
    (finding,) = DETECTORS["initializer_mismatch"](made)
    assert finding.observed == pytest.approx(1e6, rel=1e-9)
    assert "the gradient changes by" in finding.message


def test_no_update_is_blamed_where_none_was_measured() -> None:
    made = record(3, update=np.nan, broken={"forward": (5, 1, 3)})
    (finding,) = DETECTORS["non_finite"](made)
    assert finding.cause == ""


@pytest.mark.parametrize(("ratio", "number"), [(1e3, 0), (1.001e3, 1)])
def test_a_gradient_exactly_at_the_limit_of_batch_norm_is_none(ratio: float, number: int) -> None:
    layers = normed(network([9, 9], normalization="before_activation"))
    made = record(layers, delta=[ratio, 1.0])
    assert len(DETECTORS["batch_norm_explosion"](made)) == number


def test_the_message_on_momentum_shows_the_rule_that_keras_computes() -> None:
    layers = normed(network([9, 9]), momentum=0.999)
    (finding,) = DETECTORS["batch_norm_momentum"](record(layers))
    assert "moving = moving * 0.999 + batch * 0.001" in finding.details
