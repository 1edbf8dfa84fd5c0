"""What the output layer does at initialisation to the errors that start the backward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gradscope.theory.scope import Block

__all__ = ["Errors", "along_logits", "errors_of"]

Floats = npt.NDArray[np.float64]

_DRAWS = 2048
_MOST_UNITS = 256  # beyond it the averages over classes no longer change


@dataclass(frozen=True)
class Errors:
    """Cosine of the errors dL/dlogits of two samples, of one class and of two; and its square."""

    alike: float
    different: float
    alike_square: float
    different_square: float


def errors_of(output: Block | None) -> Errors:
    """How the errors of two samples lie to each other in an untrained output layer.

    Softmax over C classes with small logits: p - y is 1 / C - y, so that two samples of one class
    have the same error and two of different classes the cosine -1 / (C - 1). One sigmoid: + or -.
    Real targets: errors of either sign, in as many directions as there are units.
    """
    units = output.units if output is not None else 1
    if output is not None and output.activation == "softmax" and units > 1:
        other = -1.0 / (units - 1.0)
        return Errors(1.0, other, 1.0, other * other)
    if output is not None and output.activation == "sigmoid" and units == 1:
        return Errors(1.0, -1.0, 1.0, 1.0)
    return Errors(1.0, 0.0, 1.0, 1.0 / units)


def along_logits(output: Block, variance: float, scatter: float) -> Floats:
    """(e z)^2 / (Var z |e|^2), the part of the errors along the logits, in many draws of these.

    `variance` is that of the logits, `scatter` that of its logarithm over seeds. The mean is 1 for
    errors that know nothing of the logits. The draws are fixed; the samples of a batch share them
    (in deep networks their logits are alike).
    """
    common, normal = _draws(min(output.units, _MOST_UNITS))
    # More than two decades of scatter would let a few draws decide.
    width = min(scatter, 4.0)
    scale = variance * np.exp(math.sqrt(width) * common - 0.5 * width)
    logits = np.sqrt(scale)[:, None] * normal
    if output.activation == "softmax":
        along, length = _softmax_errors(logits)
    elif output.activation == "sigmoid":
        along, length = logits**2, np.ones_like(logits)
    else:  # targets of variance 1, as they are scaled
        squares = np.sum(logits**2, axis=1, keepdims=True)
        along, length = squares**2 + squares, squares + output.units
    ratio: Floats = along.mean(axis=1) / (scale * length.mean(axis=1))
    return ratio


def _softmax_errors(logits: Floats) -> tuple[Floats, Floats]:
    """(e z)^2 and |e|^2 of e = p - y for each class y, [draw, class]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    along = np.sum(p * logits, axis=1, keepdims=True) - logits
    return along**2, np.sum(p**2, axis=1, keepdims=True) + 1.0 - 2.0 * p


@lru_cache(maxsize=4)
def _draws(units: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(20101301)
    return rng.standard_normal(_DRAWS), rng.standard_normal((_DRAWS, units))
