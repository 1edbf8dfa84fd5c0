"""How many units no sample of a batch activates at initialisation: geometry, not disease.

In a deep network the samples become alike, and then what is off for one is off for all: with He's
initialization, ReLU layer 30 has a third of its units off for a whole batch of 128.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from gradscope.catalog.array_ops import NUMPY_OPS, erf
from gradscope.theory.moments.gaussian_moments import require_activation
from gradscope.theory.scope import Block

__all__ = ["dead_fraction"]

_NODES = np.linspace(-8.0, 8.0, 321)
_WEIGHTS = np.exp(-0.5 * _NODES**2)
_WEIGHTS /= _WEIGHTS.sum()
_LEAST = 1e-6  # below it no network has enough units to show one


def dead_fraction(block: Block, q: float, correlation: float, samples: int) -> float:
    """Share of units whose derivative is exactly 0 for all of `samples` samples.

    z has variance q around the bias's mean and the same correlation between any two samples:
    the mean over t ~ N(0, 1) of P(phi'(z) = 0 | shared part t)^samples.
    """
    intervals = _flat_intervals(block)
    if not intervals or block.normalization == "before_activation":
        return 0.0  # a batch norm leaves values on both sides of zero in every unit
    c = min(max(correlation, 0.0), 1.0 - 1e-12)
    centre = block.bias_mean + math.sqrt(q * c) * _NODES
    width = math.sqrt(2.0 * q * (1.0 - c))
    inside = np.zeros_like(_NODES)
    for low, high in intervals:
        inside += 0.5 * (erf((high - centre) / width) - erf((low - centre) / width))
    share = float(np.clip(inside, 0.0, 1.0) ** samples @ _WEIGHTS)
    return share if share > _LEAST else 0.0


def _flat_intervals(block: Block) -> list[tuple[float, float]]:
    """Where phi' is exactly 0, between the kinks."""
    entry = require_activation(block.activation)
    ends = [-math.inf, *sorted(entry.kinks), math.inf]
    found = []
    for low, high in pairwise(ends):
        left = low if math.isfinite(low) else (high if math.isfinite(high) else 0.0) - 2.0
        right = high if math.isfinite(high) else left + 2.0
        inner = np.linspace(left, right, 5)[1:-1]
        slopes = entry.derivative(inner, NUMPY_OPS, **entry.complete(block.parameters))
        if np.all(slopes == 0.0):
            found.append((low, high))
    return found
