"""The loss that an untrained network starts with, and what its output layer sends back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gradscope.catalog.activations.entry import sigmoid, softplus
from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.catalog.losses import ConstantAnswer, constant_answer

__all__ = ["Head", "head_of"]

Floats = npt.NDArray[np.float64]

_COARSE, _FINE = 401, 2401
_LARGEST_SCALE = 50.0
"""Deviation of the logits from which the share of all but one class falls as 1 over it."""


@dataclass(frozen=True)
class Head:
    """The output layer at initialisation.

    `logit_second_moment` is E z^2 of the output, `delta_second_moment` E delta^2 there and
    `initial_loss` the mean loss (NaN where the loss is none that theory knows), `drop` the factor
    on E delta^2 from the output layer to the last hidden layer: the one step that the geometry of
    a narrow head makes, and no sign of a vanishing gradient.
    """

    logit_second_moment: float
    delta_second_moment: float
    initial_loss: float
    drop: float


def head_of(
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
    real targets. Known are cross-entropy under softmax or one sigmoid, and the mean squared error
    of a linear output.
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
    nodes, weights = _normal(_COARSE if scale < 4.0 else _FINE)
    start, end = -9.0 * scale - math.log(units) - 25.0, 9.0 * scale + 8.0
    u = np.linspace(start, end, 600)
    with np.errstate(over="ignore", under="ignore"):
        x = np.minimum(np.exp(u)[:, None] * np.exp(scale * nodes), 1e130)
        decay = np.exp(-x)
        survival = decay @ weights
        squares = units * ((x * x * decay) @ weights) * survival ** (units - 1)
        loss = -np.euler_gamma - start - np.trapezoid(survival**units, u)
    return float(loss), float(np.trapezoid(squares, u))


@lru_cache(maxsize=2)
def _normal(count: int) -> tuple[Floats, Floats]:
    """Evenly spaced nodes of the standard normal law and their weights."""
    nodes = np.linspace(-8.5, 8.5, count)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def _sigmoid(variance: float, units: int) -> tuple[float, float]:
    """E softplus(z) (E z y = 0), and E sigmoid(z)^2, per unit of the mean over units."""
    nodes, weights = _normal(_FINE)
    z = math.sqrt(variance) * nodes
    loss = float(softplus(z, NUMPY_OPS) @ weights)
    return loss, float(sigmoid(z, NUMPY_OPS) ** 2 @ weights) / units**2
