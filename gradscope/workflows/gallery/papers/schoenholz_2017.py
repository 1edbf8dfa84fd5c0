"""Schoenholz et al. 2017: between order and chaos lies one weight variance for each bias."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import GAUSSIAN, Paper, Reports, network
from gradscope.workflows.gallery.quantities import factor_per_layer, gradient, theory_gradient

_DEPTH, _BIAS = 20, 0.05
_VARIANCES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
_CRITICAL = 1.76
_FACTOR = 0.02


def _factor(values: np.ndarray) -> float:
    """On the rms of the gradient, per layer going back, where the signal is at its fixed point."""
    deeper = values[_DEPTH // 2 - 1 :]
    return float((deeper[0] / deeper[-1]) ** (1.0 / (len(deeper) - 1)))


def _critical(factors: list[float]) -> float:
    """The weight variance at which the factor is 1, interpolated between the logarithms."""
    return float(np.exp(np.interp(0.0, np.log(factors), np.log(_VARIANCES))))


def _rows(reports: Reports) -> Iterator[Row]:
    measured = [_factor(gradient(each)) for each in reports.values()]
    theory = [_factor(theory_gradient(each)) for each in reports.values()]
    for position, phase in ((0, "ordered: gradients vanish"), (-1, "chaotic: they explode")):
        yield Row(
            f"gradient's factor per layer, weight variance {_VARIANCES[position]:g}",
            f"{phase} (section 4)",
            theory[position],
            theory[position] * (1.0 - _FACTOR),
            theory[position] * (1.0 + _FACTOR),
            measured[position],
            "2 %: of a mean over ten layers of 256 units and five seeds",
        )
    yield Row(
        "weight variance at which the gradient keeps its size",
        f"{_CRITICAL}, for a bias variance of {_BIAS}",
        _critical(theory),
        _CRITICAL * 0.95,
        _CRITICAL * 1.05,
        _critical(measured),
        "5 %: interpolated between 1.5 and 2",
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    between = np.linspace(_VARIANCES[0], _VARIANCES[-1], 51)
    yield Curve(
        f"tanh, bias variance {_BIAS}",
        tuple(_factor(gradient(each)) for each in reports.values()),
        tuple(factor_per_layer("tanh", float(variance), _BIAS) for variance in between),
        _VARIANCES,
        tuple(between.tolist()),
    )


def _network(variance: float) -> dict[str, object]:
    return network(
        f"schoenholz_{variance:g}",
        depth=_DEPTH,
        width=256,
        activation="tanh",
        data=GAUSSIAN,
        initializer={
            "name": "variance_scaling",
            "scale": variance,
            "mode": "fan_in",
            "distribution": "untruncated_normal",
        },
        bias_initializer={"name": "random_normal", "stddev": math.sqrt(_BIAS)},
    )


PAPERS.register("schoenholz_2017")(
    Paper(
        title="Schoenholz et al. 2017: order, chaos, and the line between them",
        citation="S. Schoenholz, J. Gilmer, S. Ganguli, J. Sohl-Dickstein: Deep information "
        "propagation, ICLR 2017",
        shows="Tanh networks of twenty layers at six weight variances. Below the critical one "
        "the gradient shrinks by a constant factor per layer, above it grows by one. Only near it "
        "can deep networks be trained: `configs/sweep/phase_diagram.yaml` trains them.",
        differs="The paper plots the depth that can be trained; here the factor itself.",
        quantity="factor on rms of dL/dz, per layer back",
        networks={f"variance_{variance:g}": _network(variance) for variance in _VARIANCES},
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        axis="variance of a weight times fan-in",
        level=(1.0, "explodes above, vanishes below"),
    )
)
