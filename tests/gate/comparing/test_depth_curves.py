"""Both sides over depth: what a picture of a comparison is drawn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.gate import judge
from gradscope.gate.comparing.depth_curves import depth_curves
from gradscope.record import Diagnosis, DiagnosisState
from tests.analyzer.synthetic import network, record
from tests.gate.seed_statistics import bank, shifted


def test_the_curves_are_rms_over_the_seeds() -> None:
    before, after = bank(range(5)), bank(range(3))
    delta, signal = depth_curves(before, after)
    assert (delta.quantity, signal.quantity) == ("delta", "signal")
    assert delta.layers == tuple(layer.name for layer in after.layers if layer.measured)
    columns = [layer.index for layer in after.layers if layer.measured]
    for curves, name in ((delta, "delta"), (signal, "signal")):
        for side, statistics in ((curves.before, before), (curves.after, after)):
            rms = np.exp(statistics.initial[name][:, columns] / 2)
            assert side.seeds == len(statistics.seeds)
            np.testing.assert_allclose(side.typical, np.exp(np.log(rms).mean(axis=0)), rtol=1e-12)
            np.testing.assert_allclose(side.low, rms.min(axis=0), rtol=1e-12)
            np.testing.assert_allclose(side.high, rms.max(axis=0), rtol=1e-12)


def test_a_changed_layer_is_a_factor_away() -> None:
    before = bank(range(4))
    after = shifted(before, "delta", 2 * np.log(0.1), ("hidden_1",))
    delta = depth_curves(before, after)[0]
    ratios = np.divide(delta.after.typical, delta.before.typical)
    assert ratios[0] == pytest.approx(0.1, rel=1e-12)
    np.testing.assert_allclose(ratios[1:], 1.0, rtol=1e-12)


def test_an_added_layer_has_no_baseline_and_a_zero_stays_zero() -> None:
    before = bank(range(3), depth=2)
    after = shifted(bank(range(3), layers=network([64] * 3)), "signal", -np.inf, ("hidden_2",))
    delta, signal = depth_curves(before, after)
    assert len(delta.before.typical) == len(delta.after.typical) == len(delta.layers) == 4
    assert np.isnan(delta.before.typical).sum() == 1
    assert np.isfinite(delta.after.typical).all()
    assert signal.after.typical[1] == signal.after.low[1] == 0.0


def test_training_is_there_where_both_were_trained_for_as_many_steps() -> None:
    trained = bank(range(3), trained=3)
    assert [curves.trained for curves in depth_curves(trained, trained)] == [
        False,
        False,
        True,
        True,
    ]
    assert len(depth_curves(bank(range(3)), trained)) == 2
    assert len(depth_curves(replace(trained, steps=50), trained)) == 2


def test_a_check_has_them_with_a_baseline_only() -> None:
    state = Diagnosis(DiagnosisState.HEALTHY, "gradients flow")
    made, now = record(4), bank(range(3))
    assert judge.judge(now, made, state, source="a.yaml", baseline=now).curves
    assert judge.judge(now, made, state, source="a.yaml").curves == ()
