"""Activations and their derivatives in float64 numpy, each from its definition.

At a kink phi' follows TensorFlow: relu'(0) = 0, selu'(0) = its scale, leaky_relu'(0) and elu'(0)
are the left-hand limits. Sigmoid and tanh keep their relative accuracy in the tails, so a saturated
unit has a tiny derivative here where float32 has an exact zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Parameters = Mapping[str, float]

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def softplus(z: Floats) -> Floats:
    return np.logaddexp(0.0, z)


def sigmoid(z: Floats) -> Floats:
    return np.exp(-softplus(-z))


def _sigmoid_slope(z: Floats) -> Floats:
    return sigmoid(z) * sigmoid(-z)


def _tanh_slope(z: Floats) -> Floats:
    return 4.0 * _sigmoid_slope(2.0 * z)  # (1 - tanh)(1 + tanh), without the cancellation


def _normal_cdf(z: Floats) -> Floats:
    erfc = np.frompyfunc(math.erfc, 1, 1)
    return 0.5 * np.asarray(erfc(-z / math.sqrt(2.0)), dtype=np.float64)


def _normal_density(z: Floats) -> Floats:
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def _leaky_relu(z: Floats, negative_slope: float) -> Floats:
    return np.where(z > 0.0, z, negative_slope * z)


def _leaky_relu_slope(z: Floats, negative_slope: float) -> Floats:
    return np.where(z > 0.0, 1.0, negative_slope)


def _elu(z: Floats, alpha: float = 1.0) -> Floats:
    return np.where(z > 0.0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def _elu_slope(z: Floats, alpha: float = 1.0) -> Floats:
    return np.where(z > 0.0, 1.0, alpha * np.exp(np.minimum(z, 0.0)))


def _selu(z: Floats) -> Floats:
    return SELU_SCALE * _elu(z, SELU_ALPHA)


def _selu_slope(z: Floats) -> Floats:
    return SELU_SCALE * np.where(z >= 0.0, 1.0, SELU_ALPHA * np.exp(np.minimum(z, 0.0)))


def _silu_slope(z: Floats) -> Floats:
    return sigmoid(z) + z * _sigmoid_slope(z)


def _mish_slope(z: Floats) -> Floats:
    inner = softplus(z)
    return np.tanh(inner) + z * _tanh_slope(inner) * sigmoid(z)


ACTIVATIONS: dict[str, tuple[Callable[..., Floats], Callable[..., Floats]]] = {
    "linear": (lambda z: z.copy(), np.ones_like),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: np.where(z > 0.0, 1.0, 0.0)),
    "leaky_relu": (_leaky_relu, _leaky_relu_slope),
    "elu": (_elu, _elu_slope),
    "selu": (_selu, _selu_slope),
    "gelu": (lambda z: z * _normal_cdf(z), lambda z: _normal_cdf(z) + z * _normal_density(z)),
    "silu": (lambda z: z * sigmoid(z), _silu_slope),
    "mish": (lambda z: z * np.tanh(softplus(z)), _mish_slope),
    "tanh": (np.tanh, _tanh_slope),
    "sigmoid": (sigmoid, _sigmoid_slope),
    "softplus": (softplus, sigmoid),
    "softsign": (lambda z: z / (1.0 + np.abs(z)), lambda z: (1.0 + np.abs(z)) ** -2.0),
}


def activate(name: str, z: Floats, parameters: Parameters) -> Floats:
    """phi(z)."""
    return ACTIVATIONS[name][0](z, **parameters)


def derivative(name: str, z: Floats, parameters: Parameters) -> Floats:
    """phi'(z)."""
    return ACTIVATIONS[name][1](z, **parameters)


def largest_derivative(name: str, parameters: Parameters) -> float:
    """The supremum of |phi'|, searched on a grid that is then refined around its best point."""
    return _largest_derivative(name, tuple(sorted(parameters.items())))


@cache
def _largest_derivative(name: str, parameters: tuple[tuple[str, float], ...]) -> float:
    step = 1e-3
    grid = np.arange(-50_000, 50_001) * step
    best = 0.0
    for _ in range(4):
        sizes = np.abs(ACTIVATIONS[name][1](grid, **dict(parameters)))
        best = max(best, float(sizes.max()))
        grid = grid[sizes.argmax()] + np.linspace(-step, step, 2001)
        step /= 1000.0
    return best
