"""Share of units that no sample of a batch activates at initialisation.

In a deep network the samples become similar, and a unit that is off for one is off for all: with
He's initialization, layer 30 of a ReLU network has a third of its units off for a whole batch of
128. Such units are no fault of the network.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from gradscope.catalog.array_ops import NUMPY_OPS, erf
from gradscope.record import Normalization
from gradscope.theory.moments.gaussian_moments import normal_grid, require_activation
from gradscope.theory.scope import Block

__all__ = ["dead_fraction"]

_NODES = 2401
"""Nodes of the normal grid, 141 per standard deviation. The integrand is a step where samples
become equal; the share is then within 0.3 %, and within 1e-6 up to a correlation of 0.99."""

_SMALLEST_DECORRELATION = 1e-12
"""1 - c of equal samples: keeps the width of the conditional law above 0."""

_SMALLEST_SHARE = 1e-6
"""Share below which 0 is reported: a layer has far fewer than a million units."""


def dead_fraction(block: Block, q: float, correlation: float, samples: int) -> float:
    """Share of units whose derivative is exactly 0 for all of `samples` samples.

    z has variance q around the bias's mean and the same correlation between any two samples:
    the mean over t ~ N(0, 1) of P(phi'(z) = 0 | shared part t)^samples.
    """
    intervals = _flat_intervals(block)
    if not intervals or block.normalization == Normalization.BEFORE_ACTIVATION:
        return 0.0  # after a batch norm every unit has values on both sides of zero
    c = min(max(correlation, 0.0), 1.0 - _SMALLEST_DECORRELATION)
    nodes, weights = normal_grid(_NODES)
    centre = block.bias_mean + math.sqrt(q * c) * nodes
    width = math.sqrt(2.0 * q * (1.0 - c))
    inside = np.zeros_like(nodes)
    for low, high in intervals:
        inside += 0.5 * (erf((high - centre) / width) - erf((low - centre) / width))
    share = float(np.clip(inside, 0.0, 1.0) ** samples @ weights)
    return share if share > _SMALLEST_SHARE else 0.0


def _flat_intervals(block: Block) -> list[tuple[float, float]]:
    """Intervals between the kinks where phi' is exactly 0."""
    entry = require_activation(block.activation)
    ends = [-math.inf, *sorted(entry.kinks), math.inf]
    flat = []
    for low, high in pairwise(ends):
        left = low if math.isfinite(low) else (high if math.isfinite(high) else 0.0) - 2.0
        right = high if math.isfinite(high) else left + 2.0
        inner = np.linspace(left, right, 5)[1:-1]
        slopes = entry.derivative(inner, NUMPY_OPS, **entry.complete(block.parameters))
        if np.all(slopes == 0.0):
            flat.append((low, high))
    return flat
