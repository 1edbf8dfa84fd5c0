"""Gains per layer: the factors on the signal going forward and on the gradient going back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradscope.catalog.initializers import INITIALIZERS
from gradscope.theory.moments.gaussian_moments import gaussian_moments

__all__ = [
    "CriticalGain",
    "WeightGains",
    "backward_gain",
    "critical_gain",
    "elasticity",
    "forward_gain",
    "weight_gains",
]


@dataclass(frozen=True)
class WeightGains:
    """Weight variance times fan: `forward` = fan_in Var w, `backward` = fan_out Var w."""

    forward: float
    backward: float


@dataclass(frozen=True)
class CriticalGain:
    """The weight gains sigma_w^2 = n Var w that keep a scale.

    `forward` keeps E z^2 = q from layer to layer, `backward` keeps E delta^2. They agree for
    positively homogeneous activations only (ReLU: 2 and 2; tanh at q = 1: 2.536 and 2.153).
    """

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


def forward_gain(
    activation: str, parameters: Mapping[str, Any], q: float, sigma_w2: float
) -> float:
    """Factor on E z^2 through activation and weights: sigma_w^2 E phi(z)^2 / q, z ~ N(0, q).

    He et al. 2015, eq. 7; Poole et al. 2016, eq. 3.
    """
    return sigma_w2 * gaussian_moments(activation, q, parameters).second / q


def backward_gain(
    activation: str, parameters: Mapping[str, Any], q: float, sigma_w2: float
) -> float:
    """Factor on E delta^2 through weights and activation: chi = sigma_w^2 E phi'(z)^2.

    Schoenholz et al. 2017, eq. 5; `sigma_w2` is fan_out Var w of the layer above.
    """
    return sigma_w2 * gaussian_moments(activation, q, parameters).derivative_second


def critical_gain(
    activation: str, parameters: Mapping[str, Any] | None = None, q: float = 1.0
) -> CriticalGain:
    """The gains that keep the signal and the gradient where E z^2 = q.

    forward = q / E phi^2, backward = 1 / E phi'^2.
    """
    moments = gaussian_moments(activation, q, parameters)
    forward = q / moments.second if moments.second else float("inf")
    backward = 1.0 / moments.derivative_second if moments.derivative_second else float("inf")
    return CriticalGain(forward, backward)


def elasticity(activation: str, parameters: Mapping[str, Any], q: float) -> float:
    """d ln E phi^2 / d ln q: above 1, random deviations of the signal grow from layer to layer.

    1 for ReLU, 1.144 for GELU and 1.173 for SiLU at q = 1, where their gain is critical.
    """
    step = 1e-4  # truncation step^2 / 6 and rounding 1e-12 are far below any use of it
    above = gaussian_moments(activation, q * (1 + step), parameters).second
    below = gaussian_moments(activation, q * (1 - step), parameters).second
    return (above - below) / (above + below) / step if above + below else 0.0
