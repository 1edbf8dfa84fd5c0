"""Every weight initializer gradscope knows, one entry each, under Keras's name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from gradscope.catalog.parameter import Parameter, with_defaults

__all__ = ["INITIALIZERS", "TRUNCATION_FACTOR", "Initializer", "Law", "keras_fans"]

TRUNCATION_FACTOR = 0.87962566103423978
"""Standard deviation of a standard normal cut at 2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1))."""


class Law(StrEnum):
    """The distribution that an initializer draws a weight from."""

    NORMAL = "normal"
    TRUNCATED_NORMAL = "truncated_normal"
    UNIFORM = "uniform"
    ORTHOGONAL = "orthogonal"
    FIXED = "fixed"


@dataclass(frozen=True)
class Initializer:
    """One initializer: the law of a single weight, and where it comes from.

    `variance(fan_in, fan_out, **parameters)` and `mean(fan_in, fan_out, **parameters)` are exact
    for what Keras draws; of what it does not draw, the variance is taken over the entries of the
    matrix. `law_of(parameters)` is the distribution; `law` is that of an initializer without a
    parameter that names another one.
    """

    name: str
    keras_class: str
    formula: str
    source: str
    variance: Callable[..., float]
    mean: Callable[..., float]
    law: Law
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    def complete(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """`parameters` with the defaults filled in; a name it does not have raises `KeyError`."""
        return with_defaults(self.name, self.parameters, parameters)

    @property
    def seeded(self) -> bool:
        """Whether the weights are drawn at all."""
        return self.law is not Law.FIXED

    def law_of(self, parameters: Mapping[str, Any]) -> Law:
        """The distribution of the weights with these parameters."""
        return _DISTRIBUTIONS.get(str(parameters.get("distribution")), self.law)

    def without_unknown(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The `parameters` that the initializer has; a built layer may list others, as a seed."""
        return {name: value for name, value in parameters.items() if name in self.parameters}


_DISTRIBUTIONS = {
    "truncated_normal": Law.TRUNCATED_NORMAL,
    "untruncated_normal": Law.NORMAL,
    "uniform": Law.UNIFORM,
}
"""The values of Keras's parameter `distribution`; without it the entry's own law holds."""


def keras_fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """fan_in and fan_out as Keras's initializers take them from the shape of a weight.

    From Keras 3.15 on an EinsumDense says which axes are inputs and outputs. Without, all axes but
    the last two count as positions of a convolution, whatever the layer does with them.
    """
    sizes = tuple(int(size) for size in shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(sizes[i] for i in input_axes), math.prod(sizes[i] for i in output_axes)
    if len(sizes) < 2:
        size = sizes[0] if sizes else 1
        return size, size
    positions = math.prod(sizes[:-2])
    return positions * sizes[-2], positions * sizes[-1]


def _no_mean(fan_in: int, fan_out: int, **_: Any) -> float:
    return 0.0


def _no_variance(fan_in: int, fan_out: int, **_: Any) -> float:
    return 0.0


def _scaled_variance(
    fan_in: int,
    fan_out: int,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
) -> float:
    # Keras widens the truncated normal and the uniform limit so that all three laws agree.
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}
    return scale / max(1.0, fans[mode])


def _fan_rule(scale: float, mode: str) -> Callable[..., float]:
    def variance(fan_in: int, fan_out: int) -> float:
        return _scaled_variance(fan_in, fan_out, scale, mode)

    return variance


def _orthogonal_variance(fan_in: int, fan_out: int, gain: float = 1.0) -> float:
    return gain * gain / max(fan_in, fan_out)


def _normal_variance(fan_in: int, fan_out: int, mean: float = 0.0, stddev: float = 0.05) -> float:
    return stddev * stddev


def _normal_mean(fan_in: int, fan_out: int, mean: float = 0.0, stddev: float = 0.05) -> float:
    return mean


def _truncated_variance(
    fan_in: int, fan_out: int, mean: float = 0.0, stddev: float = 0.05
) -> float:
    return (stddev * TRUNCATION_FACTOR) ** 2


def _uniform_variance(
    fan_in: int, fan_out: int, minval: float = -0.05, maxval: float = 0.05
) -> float:
    return (maxval - minval) ** 2 / 12.0


def _uniform_mean(fan_in: int, fan_out: int, minval: float = -0.05, maxval: float = 0.05) -> float:
    return (minval + maxval) / 2.0


def _mean_of_ones(fan_in: int, fan_out: int) -> float:
    return 1.0


def _value(fan_in: int, fan_out: int, value: float = 0.0) -> float:
    return value


def _diagonal_mean(fan_in: int, fan_out: int, gain: float = 1.0) -> float:
    return gain / max(fan_in, fan_out)


def _diagonal_variance(fan_in: int, fan_out: int, gain: float = 1.0) -> float:
    share = 1.0 / max(fan_in, fan_out)
    return gain * gain * share * (1.0 - share)


_CUT = "normal cut at 2 standard deviations"


def _family(author: str, keras: str, scale: float, mode: str, source: str) -> list[Initializer]:
    """The normal and the uniform form of one fan rule."""
    fan = {"fan_in": "fan_in", "fan_avg": "((fan_in + fan_out) / 2)"}[mode]
    text = f"Var w = {scale:g} / {fan}"
    limit = f"uniform within +-sqrt({3 * scale:g} / {fan})"
    rule = _fan_rule(scale, mode)
    forms = (("uniform", limit, Law.UNIFORM), ("normal", _CUT, Law.TRUNCATED_NORMAL))
    return [
        Initializer(
            name=f"{author}_{form}",
            keras_class=f"{keras}{form.capitalize()}",
            formula=f"{text}, {shape}",
            source=source,
            variance=rule,
            mean=_no_mean,
            law=law,
        )
        for form, shape, law in forms
    ]


_NORMAL_PARAMETERS = {
    "mean": Parameter(0.0, description="mean of the weights"),
    "stddev": Parameter(
        0.05, minimum=0.0, description="standard deviation, whatever the fan (before any cut)"
    ),
}

_FREE = (
    Initializer(
        name="variance_scaling",
        keras_class="VarianceScaling",
        formula="Var w = scale / fan, fan by mode",
        source="Keras: keras.initializers.VarianceScaling",
        variance=_scaled_variance,
        mean=_no_mean,
        law=Law.TRUNCATED_NORMAL,
        parameters={
            "scale": Parameter(
                1.0, minimum=0.0, exclusive_minimum=True, description="variance times fan"
            ),
            "mode": Parameter(
                "fan_in", choices=("fan_in", "fan_out", "fan_avg"), description="which fan"
            ),
            "distribution": Parameter(
                "truncated_normal",
                choices=("truncated_normal", "untruncated_normal", "uniform"),
                description="law of the weights; the variance is the same for all three",
            ),
        },
    ),
    Initializer(
        name="orthogonal",
        keras_class="Orthogonal",
        formula="gain times a random orthogonal matrix; Var w = gain^2 / max(fan_in, fan_out)",
        source="Saxe, McClelland & Ganguli 2014, arXiv:1312.6120",
        variance=_orthogonal_variance,
        mean=_no_mean,
        law=Law.ORTHOGONAL,
        parameters={"gain": Parameter(1.0, description="factor on the orthogonal matrix")},
    ),
    Initializer(
        name="random_normal",
        keras_class="RandomNormal",
        formula="normal(mean, stddev^2), whatever the fan",
        source="Keras: keras.initializers.RandomNormal",
        variance=_normal_variance,
        mean=_normal_mean,
        law=Law.NORMAL,
        parameters=_NORMAL_PARAMETERS,
    ),
    Initializer(
        name="random_uniform",
        keras_class="RandomUniform",
        formula="uniform in [minval, maxval]; Var w = (maxval - minval)^2 / 12",
        source="Keras: keras.initializers.RandomUniform",
        variance=_uniform_variance,
        mean=_uniform_mean,
        law=Law.UNIFORM,
        parameters={
            "minval": Parameter(-0.05, description="lower end"),
            "maxval": Parameter(0.05, description="upper end"),
        },
    ),
    Initializer(
        name="truncated_normal",
        keras_class="TruncatedNormal",
        formula="normal(mean, stddev^2) cut at 2 stddev; Var w = (0.87963 stddev)^2",
        source="Keras: keras.initializers.TruncatedNormal",
        variance=_truncated_variance,
        mean=_normal_mean,
        law=Law.TRUNCATED_NORMAL,
        parameters=_NORMAL_PARAMETERS,
    ),
)

_FIXED = (
    Initializer(
        name="zeros",
        keras_class="Zeros",
        formula="w = 0",
        source="Keras: keras.initializers.Zeros",
        variance=_no_variance,
        mean=_no_mean,
        law=Law.FIXED,
    ),
    Initializer(
        name="ones",
        keras_class="Ones",
        formula="w = 1",
        source="Keras: keras.initializers.Ones",
        variance=_no_variance,
        mean=_mean_of_ones,
        law=Law.FIXED,
    ),
    Initializer(
        name="constant",
        keras_class="Constant",
        formula="w = value",
        source="Keras: keras.initializers.Constant",
        variance=_no_variance,
        mean=_value,
        law=Law.FIXED,
        parameters={"value": Parameter(0.0, description="every weight")},
    ),
    Initializer(
        name="identity",
        keras_class="Identity",
        formula="gain on the diagonal, 0 elsewhere",
        source="Keras: keras.initializers.Identity",
        variance=_diagonal_variance,
        mean=_diagonal_mean,
        law=Law.FIXED,
        parameters={"gain": Parameter(1.0, description="the diagonal")},
    ),
)

_GLOROT = "Glorot & Bengio 2010, eq. 12 and 16"
_HE = "He et al. 2015, arXiv:1502.01852, section 2.2"
_LECUN = "LeCun et al. 1998, Efficient BackProp, section 4.6; Klambauer et al. 2017"

_TABLE = (
    *_family("glorot", "Glorot", 1.0, "fan_avg", _GLOROT),
    *_family("he", "He", 2.0, "fan_in", _HE),
    *_family("lecun", "Lecun", 1.0, "fan_in", _LECUN),
    *_FREE,
    *_FIXED,
)


INITIALIZERS: Mapping[str, Initializer] = MappingProxyType({entry.name: entry for entry in _TABLE})
"""Keras's name to entry."""
