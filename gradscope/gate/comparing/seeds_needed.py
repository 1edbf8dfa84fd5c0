"""How many seeds a comparison of independent draws needs to see a change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from gradscope.catalog.activations import find_activation
from gradscope.record import LayerInfo, Role

GAIN = 1.1
"""The change of the variance per layer that has to be seen: a tenth."""

POWER = 0.99
"""Probability with which it has to be seen."""

KAPPA_BATCH_NORM = 0.45
"""Scatter of ln E delta^2 that a layer with batch norm adds over seeds, times its width.

The values of the activations are in the catalog (`seed_scatter`). Each is the largest that was
measured on batches of 32 (10 to 20 layers of 64 to 256 units, 100 to 200 seeds; docs/gate.md has
those of ten layers of 64). GELU and SiLU with He's variance have no stable fixed point: layers
amplify the scatter of the layers below, and it grows with the depth."""

KAPPA_OTHERWISE = 1.4
"""The same for ReLU and for activations that were not measured. ReLU: 0.8 to 1.7 were measured, and
the confidence intervals of all contain 1.4."""

MARGIN = 3
"""Seeds added to the normal approximation, since the deviation itself is estimated (Welch's t)."""


def seeds_needed(layers: Sequence[LayerInfo], tail: float) -> int:
    """Seeds per side for a Welch test of the slope over depth, two-sided at `tail`.

    K = 2 (z_tail + z_power)^2 Var(slope) / ln(1.1)^2 + 3, where the slope of ln E delta^2 over the
    L hidden layers has the variance sum(kappa / n) / (L - 1)^2: from the first layer to the last,
    ln E delta^2 is a random walk of L - 1 steps of the variance kappa / n (Hanin & Nica 2020,
    arXiv:1812.05994).
    """
    hidden = [layer for layer in layers if layer.role == Role.HIDDEN and layer.main_path]
    scatter = sum(kappa(layer) / max(1, layer.units or 1) for layer in hidden[1:] or hidden)
    steps = max(1, len(hidden) - 1)
    normal = NormalDist()
    reach = normal.inv_cdf(1.0 - tail / 2.0) + normal.inv_cdf(POWER)
    needed = 2.0 * reach**2 * scatter / (steps * math.log(GAIN)) ** 2
    return math.ceil(needed) + MARGIN


def kappa(layer: LayerInfo) -> float:
    """The scatter that one layer adds, times its width."""
    if layer.normalization is not None:
        return KAPPA_BATCH_NORM
    entry = find_activation(layer.activation or "")
    measured = entry.seed_scatter if entry else None
    return KAPPA_OTHERWISE if measured is None else measured
