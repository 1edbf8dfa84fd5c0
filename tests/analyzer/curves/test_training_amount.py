"""How much training is enough to tell, and which losses still fall."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.loss_curve import LossCurve
from gradscope.analyzer.curves.lost_answers import lost_answers
from gradscope.analyzer.curves.training_amount import still_falls, training_amount
from gradscope.record import (
    ConstantAnswer,
    LossValues,
    ObjectiveInfo,
    ObjectiveStart,
    ProbeAnswers,
)
from tests.analyzer.synthetic import DATA, record


def test_epochs_and_samples_of_a_class() -> None:
    """60 steps of 32 samples, of 4,096 in 10 even classes."""
    made = record(steps=60, data=replace(DATA, samples=4096))
    amount = training_amount(made)
    assert (amount.steps, amount.epochs) == (60, 60 * 32 / 4096)
    assert amount.samples_per_class == 60 * 32 / 10
    assert amount.text == "60 steps (0.47 epochs)"
    for unknown in (replace(DATA, name="fit", samples=32), replace(DATA, samples=0)):
        without = training_amount(record(steps=60, data=unknown))
        assert math.isnan(without.epochs)
        assert without.text == "60 steps"
    real = replace(DATA, classes=None, task="regression")
    assert math.isnan(training_amount(record(data=real)).samples_per_class)


def curve(*levels: float, noise: float = 0.0) -> LossCurve:
    """Twenty losses for each level, with noise of mean and median 0."""
    swings = noise * np.resize([0.0, 1.0, -1.0, 0.0], 20 * len(levels))
    return LossCurve(np.arange(1, 20 * len(levels) + 1), np.repeat(levels, 20) + swings)


def test_what_still_falls() -> None:
    assert still_falls(curve(4.0, 3.0, 2.0, 1.0))
    assert still_falls(curve(4.0, 3.0, 2.0, 1.0, noise=0.5))
    assert not still_falls(curve(4.0, 3.0, 2.0, 2.0))
    assert not still_falls(curve(4.0, 2.0, 3.0, 1.0))
    # A fall of 0.1 in the last quarter, where its standard error is 0.5 sqrt(10 / 19 * 2 / 20).
    assert not still_falls(curve(4.0, 3.0, 2.0, 1.9, noise=0.5))
    assert not still_falls(LossCurve(np.arange(1, 3), np.array([2.0, 1.0])))


def test_the_share_of_the_loss_that_can_be_learned() -> None:
    """With a floor of 1.5, a loss of 1.9 is half of the way to a constant answer's ln 10."""
    best = math.log(10)
    assert loss_curve.loss_share(record(), best / 2) == pytest.approx(0.5, rel=1e-12)
    for right, share in ((1.5, (1.9 - 1.5) / (best - 1.5)), (9.0, 1.9 / best), (None, 1.9 / best)):
        start = ObjectiveStart(values=LossValues(2.3, right, best))
        made = record(objective_start=start)
        assert loss_curve.loss_share(made, 1.9) == pytest.approx(share, rel=1e-12)


def test_the_measured_constant_counts_where_weights_make_it_another_one() -> None:
    """Ten even classes: ln 10, of which a sample of the targets is off by a little."""
    best = math.log(10)
    for measured, used in ((0.95 * best, best), (1.05 * best, best), (4.0 * best, 4.0 * best)):
        start = ObjectiveStart(constant=ConstantAnswer((0.1,) * 10, measured, 100, 100))
        made = record(objective_start=start)
        assert loss_curve.constant_predictor(made) == pytest.approx(used, rel=1e-12)
    own = ObjectiveInfo("")
    start = ObjectiveStart(constant=ConstantAnswer((0.1,), -1.5, 100, 100))
    made = record(objective=own, objective_start=start)
    assert loss_curve.constant_predictor(made) == -1.5
    assert math.isnan(loss_curve.loss_share(made, -2.0))  # no zero to compare with


def test_the_answers_are_compared_with_the_constant_on_the_same_samples() -> None:
    """Outliers in the probe set: a loss of 30 beside a constant's 40, which has ln 10 elsewhere."""
    answers = ProbeAnswers(100, 30.0, 31.0, constant_loss=40.0)
    made = record(answers=answers)
    assert loss_curve.constant_of_answers(made) == 40.0
    assert loss_curve.loss_share(made, 30.0, of_answers=True) == 0.75
    assert loss_curve.learned(made, 0.8)
    assert not loss_curve.learned(made, 0.7)


def test_what_is_lost_by_inference() -> None:
    def lost(*answers: float) -> tuple[float, bool]:
        result = lost_answers(record(answers=ProbeAnswers(100, *answers)))
        assert result is not None
        return result.observed, bool(result)

    assert lost_answers(record()) is None
    assert lost(0.5, 0.9, 0.8, 0.6) == (0.8 - 0.6, True)
    assert lost(0.5, 0.9, 0.6, 0.8) == (0.6 - 0.8, False)
    best = math.log(10)
    assert lost(0.5, 1.5) == (pytest.approx(1.0 / (best - 0.5), rel=1e-12), True)
    assert lost(0.5, 1.0) == (0.0, False)  # no more than twice as large
    assert lost(3.0, 9.0) == (0.0, False)  # nothing was learned that could be lost
