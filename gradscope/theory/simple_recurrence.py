"""Closed forms of a SimpleRNN: what its loop makes of the signal, and of delta on its way back.

With E w^2 of the kernel, v_x, and of the recurrent kernel, v_h, n inputs and u units:
q_t = v_x n E x^2 + v_h u E h_(t-1)^2, E h_t^2 = E phi(q_t)^2, and going back
p_(t-1) = own + v_h u E phi'(q_t)^2 p_t. No covariance over time is needed: no state but h adds up.

Source: Chen et al. 2018 (mean field of recurrent networks).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradscope.record import LayerInfo, Trait
from gradscope.record.initial_draws import InitialDraws
from gradscope.theory.local_rule import Floats, expected_square
from gradscope.theory.moments.gaussian_moments import GaussianMoments

Averages = Callable[[float], GaussianMoments]


def loop_gains(
    info: LayerInfo, draws: InitialDraws, fed: float, averages: Averages
) -> tuple[float, float]:
    """Gains of second moments, from its input to its output and of delta back to its input.

    `fed` is E x^2 over all time steps, ``averages(q)`` are those of its activation. NaN for another
    loop, or where its weights or time steps are not known.
    """
    course = loop_course(info, draws, fed, averages)
    sizes = _sizes(info, draws)
    if course is None or sizes is None:
        return math.nan, math.nan
    states, slopes, deltas = course
    given = states.mean() if info.positions > 1 else states[-1]
    return float(given / fed), float(sizes[2] * np.mean(slopes * deltas))


def loop_course(
    info: LayerInfo, draws: InitialDraws, fed: float, averages: Averages
) -> tuple[Floats, Floats, Floats] | None:
    """E h_t^2, E phi'(q_t)^2 and E (dL/dh_t)^2 at each time step, as the layer reads them.

    Delta is that of the states for a delta of 1 of what the layer gives: its last state, or all.
    None where `loop_gains` has none.
    """
    sizes = _sizes(info, draws)
    if Trait.SIMPLE_RECURRENCE not in info.traits or sizes is None or not info.time_steps:
        return None
    inputs, recurrent, _ = sizes
    states, slopes, deltas = np.zeros((3, info.time_steps))
    state = 0.0
    for step in range(info.time_steps):
        moments = averages(inputs * fed + recurrent * state)
        states[step] = state = moments.second
        slopes[step] = moments.derivative_second
    own = 1.0 if info.positions > 1 else 0.0
    delta = 1.0
    for step in reversed(range(info.time_steps)):
        deltas[step] = delta
        delta = recurrent * slopes[step] * delta + own
    return states, slopes, deltas


def _sizes(info: LayerInfo, draws: InitialDraws) -> tuple[float, float, float] | None:
    """v_x n, v_h u and v_x u of the layer's kernels; None where they are not found."""
    kernels = {}
    for at, weight in enumerate(draws.weights):
        *holders, name = weight.path.split("/")
        if info.name in holders and name in {"kernel", "recurrent_kernel"}:
            kernels[name] = (expected_square(draws, [at]), weight.shape)
    if len(kernels) < 2:
        return None
    (v_x, (inputs, units)), (v_h, _) = kernels["kernel"], kernels["recurrent_kernel"]
    return v_x * inputs, v_h * units, v_x * units
