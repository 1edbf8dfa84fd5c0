"""Glorot and Bengio 2010: the gradient shrinks going back, and the kernels' gradient hides it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, network
from gradscope.workflows.gallery.quantities import (
    gradient_curve,
    gradient_row,
    kernel_gradient,
    prediction,
)

_STANDARD = {
    "name": "variance_scaling",
    "scale": 1 / 3,
    "mode": "fan_in",
    "distribution": "uniform",
}
"""The paper's eq. 1, U[-1/sqrt(n), 1/sqrt(n)], whose variance is 1/(3n)."""

_KERNEL_FACTOR = 1.5


def _rows(reports: Reports) -> Iterator[Row]:
    standard, normalized = reports["standard"], reports["normalized"]
    yield gradient_row(
        "standard: gradient of layer 1 over layer 5", "gets smaller going back (Fig. 7)", standard
    )
    yield gradient_row(
        "normalized: gradient of layer 1 over layer 5",
        "no such decrease is seen (Fig. 7)",
        normalized,
    )
    theory = float(np.sqrt(prediction(standard).kernel_gradient_relative[1]))
    yield Row(
        "standard: kernels' gradient, layer 2 over layer 5",
        "roughly constant over the layers (eq. 14, Fig. 8)",
        theory,
        theory / _KERNEL_FACTOR,
        theory * _KERNEL_FACTOR,
        float(kernel_gradient(standard)[1]),
        "a factor of 1.5: it scatters ten times as much as the gradient of the units",
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    for label, of_network in reports.items():
        yield gradient_curve(f"{label}: units, dL/dz", of_network)
    standard = reports["standard"]
    theory = np.sqrt(prediction(standard).kernel_gradient_relative[:-1])
    yield Curve(
        "standard: kernels, dL/dW",
        tuple(kernel_gradient(standard).tolist()),
        tuple(theory.tolist()),
    )


PAPERS.register("glorot_2010")(
    Paper(
        title="Glorot & Bengio 2010: standard against normalized initialization",
        citation="X. Glorot, Y. Bengio: Understanding the difficulty of training deep feedforward "
        "neural networks, AISTATS 2010",
        shows="Five tanh layers. With weights from U[-1/√n, 1/√n] the gradient that reaches a "
        "layer shrinks at every layer on its way back; with the normalized initialization it "
        "hardly does. The gradient of the kernels tells nothing of it: where the gradient of the "
        "units is small, their inputs are large. That is why gradscope looks at the units.",
        differs="The paper has 1000 units a layer and images of its own; here 500 and"
        " Fashion-MNIST.",
        quantity="rms of the gradient over the last layer's",
        networks={
            "standard": network(
                "glorot_standard", depth=5, width=500, activation="tanh", initializer=_STANDARD
            ),
            "normalized": network(
                "glorot_normalized",
                depth=5,
                width=500,
                activation="tanh",
                initializer="glorot_uniform",
            ),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
    )
)
