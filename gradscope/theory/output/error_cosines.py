"""Cosines of the errors that start the backward pass, between samples and with the logits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.activations.entry import sigmoid
from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.theory.scope import Block

__all__ = ["ErrorCosines", "error_cosines", "logit_aligned_share"]

Floats = npt.NDArray[np.float64]

_DRAWS = 2048
"""Draws of the logits: averages of cosines in [-1, 1] are then good to 1 / sqrt(2048) = 2 %."""

_MAX_UNITS = 256
"""Units beyond which averages over classes change by less than 1 / 256, below the draws' error."""

_MAX_SCATTER = 4.0
"""Largest variance of the logarithm of the logits' variance that is drawn: two standard deviations
are then a factor e^4, and beyond it a few draws would decide."""


@dataclass(frozen=True)
class ErrorCosines:
    """Mean products of the errors dL/dlogits of two samples, and mean squares of the products.

    For two samples of the same class and of different classes, over the errors' mean square length:
    cosines where all errors are equally long.
    """

    same_class: float
    different_class: float
    same_class_square: float
    different_class_square: float


def error_cosines(output: Block | None, variance: float, correlation: float) -> ErrorCosines:
    """Cosines between the errors of two samples in an untrained output layer.

    `variance` is that of the logits, `correlation` that of two samples' logits. Softmax over C
    classes with small logits: p - y is 1 / C - y, so that two samples of one class have the same
    error and two of different classes the cosine -1 / (C - 1). With large logits alike in all
    samples they share p as well. Real targets (of variance 1) are independent of each other.
    """
    if output is None:
        return ErrorCosines(1.0, 0.0, 1.0, 1.0)
    units = min(output.units, _MAX_UNITS)
    _, normal = _draws(2 * units)
    first, second = normal[:, :units], normal[:, units:]
    mixed = correlation * first + math.sqrt(max(1.0 - correlation**2, 0.0)) * second
    pair = (math.sqrt(variance) * first, math.sqrt(variance) * mixed)
    if output.activation == "softmax" and units > 1:
        return _softmax_products(_softmax(pair[0]), _softmax(pair[1]))
    if output.activation == "sigmoid" and units == 1:
        return _sigmoid_products(*(sigmoid(logits[:, 0], NUMPY_OPS) for logits in pair))
    shared = correlation * variance / (1.0 + variance)
    square = shared**2 + (1.0 - shared**2) / output.units
    return ErrorCosines(shared, shared, square, square)


def _softmax_products(p: Floats, other: Floats) -> ErrorCosines:
    """Products of p - y and p' - y' over all classes y, y', [draw, class] each."""
    count = float(p.shape[1])
    shared = np.sum(p * other, axis=1)
    squares, other_squares = np.sum(p**2, axis=1), np.sum(other**2, axis=1)
    lengths = np.sqrt((squares + 1.0 - 2.0 / count) * (other_squares + 1.0 - 2.0 / count))
    # (e e')^2 = (p p' - p_y' - p'_y + [y = y'])^2, averaged over y and y' in closed form.
    start = shared**2 - 4.0 * shared / count
    all_classes = start + (squares + other_squares) / count + 2.0 / count**2
    diagonal = start + np.mean((p + other) ** 2, axis=1)
    same_square = diagonal + 2.0 * shared - 4.0 / count + 1.0
    different_square = (count * all_classes - diagonal) / (count - 1.0)
    return ErrorCosines(
        same_class=float(np.mean((shared + 1.0 - 2.0 / count) / lengths)),
        different_class=float(np.mean((shared - 2.0 / count) / lengths)),
        same_class_square=float(np.mean(same_square / lengths**2)),
        different_class_square=float(np.mean(different_square / lengths**2)),
    )


def _sigmoid_products(p: Floats, other: Floats) -> ErrorCosines:
    """Products of p - y and p' - y' for labels 0 and 1, [draw] each."""
    zeros, ones = p * other, (1.0 - p) * (1.0 - other)
    zero_one, one_zero = p * (1.0 - other), (1.0 - p) * other
    lengths = np.sqrt(0.25 * (p**2 + (1.0 - p) ** 2) * (other**2 + (1.0 - other) ** 2))
    return ErrorCosines(
        same_class=float(np.mean(0.5 * (zeros + ones) / lengths)),
        different_class=float(np.mean(-0.5 * (zero_one + one_zero) / lengths)),
        same_class_square=float(np.mean(0.5 * (zeros**2 + ones**2) / lengths**2)),
        different_class_square=float(np.mean(0.5 * (zero_one**2 + one_zero**2) / lengths**2)),
    )


def logit_aligned_share(output: Block, variance: float, scatter: float) -> Floats:
    """(e z)^2 / (Var z |e|^2), the part of the errors along the logits, in many draws of these.

    `variance` is that of the logits, `scatter` that of its logarithm over seeds. The mean is 1 for
    errors independent of the logits, and is set to 1 where there are no errors (a softmax over one
    unit). The draws are fixed, and the samples of a batch share them: in deep networks their logits
    are alike.
    """
    common, normal = _draws(min(output.units, _MAX_UNITS))
    width = min(scatter, _MAX_SCATTER)
    scale = variance * np.exp(math.sqrt(width) * common - 0.5 * width)
    logits = np.sqrt(scale)[:, None] * normal
    if output.activation == "softmax":
        along, length = _softmax_errors(logits)
    elif output.activation == "sigmoid":
        along, length = logits**2, np.ones_like(logits)
    else:  # targets of variance 1, as they are scaled
        squares = np.sum(logits**2, axis=1, keepdims=True)
        along, length = squares**2 + squares, squares + output.units
    whole = scale * length.mean(axis=1)
    ratio: Floats = np.divide(along.mean(axis=1), whole, out=np.ones_like(whole), where=whole > 0)
    return ratio


def _softmax_errors(logits: Floats) -> tuple[Floats, Floats]:
    """(e z)^2 and |e|^2 of e = p - y for each class y, [draw, class]."""
    p = _softmax(logits)
    along = np.sum(p * logits, axis=1, keepdims=True) - logits
    return along**2, np.sum(p**2, axis=1, keepdims=True) + 1.0 - 2.0 * p


def _softmax(logits: Floats) -> Floats:
    return np.asarray(ACTIVATIONS["softmax"].value(logits, NUMPY_OPS))


@lru_cache(maxsize=4)
def _draws(units: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(20101301)
    return rng.standard_normal(_DRAWS), rng.standard_normal((_DRAWS, units))
