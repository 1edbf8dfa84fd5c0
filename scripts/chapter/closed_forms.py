"""What the chapter's statements are held against: textbook formulas, written out here in numpy.

Nothing is taken from `gradscope.theory`: the figures of a run are to agree with something that is
not part of gradscope.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Function = Callable[[Floats], Floats]

# Klambauer et al. 2017, section 2: the constants that put the fixed point at mean 0, variance 1.
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772

_Z = np.linspace(-12.0, 12.0, 24_001)  # the kinks, at 0, are on the grid
_WEIGHTS = np.exp(-0.5 * _Z**2) / np.exp(-0.5 * _Z**2).sum()


def selu(z: Floats) -> Floats:
    """Klambauer et al. 2017, eq. 2."""
    return SCALE * np.where(z > 0, z, ALPHA * np.expm1(np.minimum(z, 0.0)))


def tanh_derivative(z: Floats) -> Floats:
    """1 - tanh^2."""
    return 1.0 - np.tanh(z) ** 2


def normal_mean(function: Function, q: float) -> float:
    """E function(z) for z normal with mean 0 and variance q."""
    return float(np.sum(_WEIGHTS * function(math.sqrt(q) * _Z)))


def second(activation: Function, q: float) -> float:
    """E a^2 behind z ~ N(0, q)."""
    return normal_mean(lambda z: activation(z) ** 2, q)


def signals(
    activation: Function, q: float, layers: int, *, gain: float = 1.0, kept: float = 1.0
) -> Floats:
    """E z^2 of each of `layers` hidden layers, the first one's being `q`.

    He et al. 2015, eq. 7: times `gain` = fan_in Var w; dropout that keeps a share multiplies by its
    inverse.
    """
    moments = [q]
    for _ in range(layers - 1):
        moments.append(gain * second(activation, moments[-1]) / kept)
    return np.array(moments)


def gradient_over_depth(derivative: Function, q: Floats, gain: float = 1.0) -> float:
    """E delta^2 of the first hidden layer over the last one's, Schoenholz et al. 2017, eq. 5."""
    squares = [gain * normal_mean(lambda z: derivative(z) ** 2, float(x)) for x in q[:-1]]
    return float(np.prod(squares))


def summed_selu(blocks: int) -> float:
    """E x^2 after `blocks` times x + selu(W x), from E x^2 = 1 and E x = 0, with E w^2 = 1 / n.

    E (x + a)^2 = E x^2 + E a^2 + 2 E x E a, for W of its own in every block.
    """
    square, mean = 1.0, 0.0
    for _ in range(blocks):
        of_a = normal_mean(selu, square)
        square, mean = square + second(selu, square) + 2.0 * mean * of_a, mean + of_a
    return square


def batch_norm_rate(batch: int) -> float:
    """Growth of E delta^2 per ReLU layer with batch norm before it, going back, on `batch` samples.

    Yang et al. 2019, theorems 7 to 9; pi / (pi - 1) for large batches.
    """
    c = -1.0 / (batch - 1.0)
    j0 = 1.0 - math.acos(c) / math.pi
    j1 = (math.sqrt(1.0 - c * c) + (math.pi - math.acos(c)) * c) / math.pi
    return ((batch - 1.0 + j0) / (1.0 - j1) - 1.0) / (batch - 3.0)


def normalized(gain: float, epsilon: float = 1e-3) -> float:
    """E z^2 behind batch norms before ReLU, from the second layer on, with gain = fan_in Var w.

    q = s^2 / (s^2 + epsilon), where the batch's variance is s^2 = gain q (1/2 - 1/(2 pi)): what the
    layer below gives is smaller by the same q. So s^2 + epsilon = gain (1/2 - 1/(2 pi)), and the
    gradient's rate, which has it as its denominator, knows of no epsilon.
    """
    return 1.0 - epsilon / (gain * (0.5 - 0.5 / math.pi))
