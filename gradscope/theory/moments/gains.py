"""Gains of a layer's weights, and the elasticity of an activation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradscope.catalog.initializers import INITIALIZERS
from gradscope.theory.moments.gaussian_moments import gaussian_moments

__all__ = ["WeightGains", "elasticity", "weight_gains"]


@dataclass(frozen=True)
class WeightGains:
    """Weight variance times fan: `forward` = fan_in Var w, `backward` = fan_out Var w."""

    forward: float
    backward: float


def weight_gains(
    initializer: str, parameters: Mapping[str, Any], fan_in: int, fan_out: int
) -> WeightGains:
    """Gains of an initializer's weights in a layer of this shape.

    Glorot & Bengio 2010, eq. 10 and 11. Parameters that the initializer does not have are ignored.
    """
    entry = INITIALIZERS[initializer]
    complete = entry.complete(entry.without_unknown(parameters))
    variance = entry.variance(fan_in, fan_out, **complete)
    return WeightGains(fan_in * variance, fan_out * variance)


def elasticity(activation: str, parameters: Mapping[str, Any], q: float) -> float:
    """d ln E phi^2 / d ln q: above 1, random deviations of the signal grow from layer to layer.

    1 for ReLU, 1.144 for GELU and 1.173 for SiLU at q = 1, where their gain is critical.
    """
    step = 1e-4  # truncation step^2 / 6 and rounding 1e-12 are far below any use of it
    above = gaussian_moments(activation, q * (1 + step), parameters).second
    below = gaussian_moments(activation, q * (1 - step), parameters).second
    return (above - below) / (above + below) / step if above + below else 0.0
