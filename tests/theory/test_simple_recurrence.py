"""The closed form of a SimpleRNN beside loops that numpy runs forward and back, in float64."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from gradscope.record import InitialDraws, LayerInfo
from gradscope.record.initial_draws import DrawnWeight, WeightDraw
from gradscope.theory.moments.gaussian_moments import gaussian_moments
from gradscope.theory.simple_recurrence import loop_course, loop_gains
from tests.layers import layer_row

STEPS, INPUTS, UNITS, SAMPLES, SEEDS = 20, 40, 100, 16, 6


def _simulated(*, every: bool) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Means over seeds of E h_t^2 and E (dL/dh_t)^2, and of the squares of the two kernels."""
    states, deltas = np.zeros((2, STEPS))
    squares = np.zeros(2)
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        w = rng.normal(size=(INPUTS, UNITS)) / np.sqrt(INPUTS)
        u = 0.9 * np.linalg.qr(rng.normal(size=(UNITS, UNITS)))[0]
        x = rng.normal(size=(STEPS, SAMPLES, INPUTS))
        h, every_h = np.zeros((SAMPLES, UNITS)), []
        for step in range(STEPS):
            h = np.tanh(x[step] @ w + h @ u)
            every_h.append(h)
        own = rng.normal(size=(STEPS, SAMPLES, UNITS))
        back = own[-1]
        for step in reversed(range(STEPS)):
            deltas[step] += np.square(back).mean() / SEEDS
            states[step] += np.square(every_h[step]).mean() / SEEDS
            back = (back * (1.0 - every_h[step] ** 2)) @ u.T
            if every and step:
                back = back + own[step - 1]
        squares += np.array([np.square(w).mean(), np.square(u).mean()]) / SEEDS
    return states, deltas, float(squares[0]), float(squares[1])


def _layer(v_x: float, v_h: float, *, every: bool) -> tuple[LayerInfo, InitialDraws]:
    info = layer_row(
        0,
        "loop",
        "SimpleRNN",
        "hidden",
        activation="tanh",
        time_steps=STEPS,
        positions=STEPS if every else 1,
    )
    shapes = {"kernel": (INPUTS, UNITS), "recurrent_kernel": (UNITS, UNITS)}
    weights = tuple(
        DrawnWeight(f"loop/simple_rnn_cell/{name}", shape, WeightDraw.AS_MADE)
        for name, shape in shapes.items()
    )
    return info, InitialDraws({"weight_second_moment": np.tile([v_x, v_h], (3, 1))}, weights)


@pytest.mark.parametrize("every", [False, True])
def test_states_and_delta_over_time_are_those_of_simulated_loops(every: bool) -> None:
    states, deltas, v_x, v_h = _simulated(every=every)
    info, draws = _layer(v_x, v_h, every=every)
    course = loop_course(info, draws, 1.0, partial(gaussian_moments, "tanh"))
    assert course is not None
    np.testing.assert_allclose(course[0], states, rtol=0.06)
    assert course[0].mean() == pytest.approx(states.mean(), rel=0.02)
    assert np.abs(0.5 * np.log(course[2] / deltas)).mean() <= 0.1
    if not every:
        assert deltas[0] < 1e-4  # what is compared falls by more than e^4 in rms
    forward, _ = loop_gains(info, draws, 1.0, partial(gaussian_moments, "tanh"))
    given = states.mean() if every else states[-1]
    assert forward == pytest.approx(given, rel=0.03)
