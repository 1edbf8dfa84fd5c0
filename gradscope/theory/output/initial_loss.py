"""The loss of an untrained network, and the gradient at its output layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gradscope.catalog.activations.entry import sigmoid, softplus
from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.catalog.losses import ConstantAnswer, constant_answer
from gradscope.theory.moments.gaussian_moments import normal_grid

__all__ = ["Head", "initial_head"]

Floats = npt.NDArray[np.float64]

_COARSE, _FINE = 401, 2401
"""Nodes of the normal grid: 24 and 141 per standard deviation. exp(scale z) needs the finer grid
from a scale of 4."""

_LARGEST_SCALE = 50.0
"""Standard deviation of the logits above which the integrals are extrapolated. There the largest
logit takes nearly all the probability: the loss grows as the scale, the rest falls as 1 / scale."""

_OVERFLOW = 1e130
"""Cap of exp(z): its square times a decay of 0 must not become inf * 0."""


@dataclass(frozen=True)
class Head:
    """The output layer at initialisation.

    `logit_second_moment` is E z^2 of the output, `delta_second_moment` E delta^2 there and
    `initial_loss` the mean loss (NaN for a loss without a formula). `drop` is the factor on
    E delta^2 from the output layer to the last hidden layer. A narrow output layer makes it small;
    that is no sign of a vanishing gradient.
    """

    logit_second_moment: float
    delta_second_moment: float
    initial_loss: float
    drop: float


def initial_head(
    activation: str,
    loss: str,
    *,
    units: int,
    variances: Floats,
    shares: Floats,
    target_second_moment: float,
    drop: float,
) -> Head:
    """The head of a network whose output z has these variances for these shares of the samples.

    Labels are taken as independent of the untrained output. `target_second_moment` is E y^2 of
    real targets. There are formulas for cross-entropy under softmax or sigmoid and for the mean
    squared error of a linear output.
    """
    answer = constant_answer(loss)
    if activation == "softmax" and answer is ConstantAnswer.CLASS_ENTROPY:
        pairs = [_softmax(float(variance), units) for variance in variances]
    elif activation == "sigmoid" and answer is ConstantAnswer.UNIT_ENTROPY:
        pairs = [_sigmoid(float(variance), units) for variance in variances]
    elif activation == "linear" and answer is ConstantAnswer.VARIANCE:
        errors = [float(variance) + target_second_moment for variance in variances]
        pairs = [(error, 4.0 * error / units**2) for error in errors]
    else:
        pairs = [(math.nan, math.nan) for _ in variances]
    losses, deltas = np.array(pairs).T
    mean = float(variances @ shares)
    return Head(mean, float(deltas @ shares), float(losses @ shares), drop)


def _softmax(variance: float, units: int) -> tuple[float, float]:
    """E ln sum exp z and E (p - y)^2 per unit for z ~ N(0, variance) in `units` classes.

    With x = exp z and M(t) = E exp(-t x): E ln sum x is the integral over u = ln t of
    exp(-e^u) - M(e^u)^C, and E sum p^2 that of C t^2 E x^2 exp(-t x) M^(C - 1).
    """
    scale = math.sqrt(variance)
    loss, shares = _softmax_integrals(min(scale, _LARGEST_SCALE), units)
    if scale > _LARGEST_SCALE:
        loss *= scale / _LARGEST_SCALE
        shares = 1.0 - (1.0 - shares) * _LARGEST_SCALE / scale
    return loss, (1.0 - 2.0 / units + shares) / units


@lru_cache(maxsize=128)
def _softmax_integrals(scale: float, units: int) -> tuple[float, float]:
    """E ln sum exp z and E sum p^2."""
    nodes, weights = normal_grid(_COARSE if scale < 4.0 else _FINE)
    start, end = -9.0 * scale - math.log(units) - 25.0, 9.0 * scale + 8.0
    u = np.linspace(start, end, 600)
    with np.errstate(over="ignore", under="ignore"):
        x = np.minimum(np.exp(u)[:, None] * np.exp(scale * nodes), _OVERFLOW)
        decay = np.exp(-x)
        survival = decay @ weights
        squares = units * ((x * x * decay) @ weights) * survival ** (units - 1)
        loss = -np.euler_gamma - start - np.trapezoid(survival**units, u)
    return float(loss), float(np.trapezoid(squares, u))


def _sigmoid(variance: float, units: int) -> tuple[float, float]:
    """E softplus(z) (E z y = 0), and E sigmoid(z)^2, per unit of the mean over units."""
    nodes, weights = normal_grid(_FINE)
    z = math.sqrt(variance) * nodes
    loss = float(softplus(z, NUMPY_OPS) @ weights)
    return loss, float(sigmoid(z, NUMPY_OPS) ** 2 @ weights) / units**2
