"""Yang et al. 2019: batch norm explodes the gradient at initialisation; training ends it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, network
from gradscope.workflows.gallery.quantities import gradient, gradient_curve, theory_gradient

_DEPTH, _STEPS, _FEW = 30, 50, 10
_CALM = 0.5


def _rows(reports: Reports) -> Iterator[Row]:
    of_network = reports["batch_norm"]
    rate = float(theory_gradient(of_network)[0] ** (2 / (_DEPTH - 1)))
    measured = gradient(of_network)
    yield Row(
        "growth of the squared gradient per layer, going back",
        f"pi/(pi-1) = {math.pi / (math.pi - 1):.4g} for large batches",
        rate,
        rate * 0.97,
        rate * 1.03,
        float(measured[0] ** (2 / (_DEPTH - 1))),
        "3 %: the paper's rate is that of infinite width, 128 samples on 512 units add to it",
    )
    later = gradient(of_network, _FEW)
    yield Row(
        f"gradient of layer 1 over layer 30 after {_FEW} steps, as a share of the start",
        "after a step of training gradients have a far smaller range (abstract)",
        math.nan,
        0.0,
        _CALM,
        float(later[0] / measured[0]),
        "less than half: the paper has no number",
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    of_network = reports["batch_norm"]
    yield gradient_curve("with batch norm, at initialisation", of_network)
    for step in (_FEW, _STEPS):
        later = gradient(of_network, step)
        yield Curve(f"after {step} steps", tuple(later.tolist()), (math.nan,) * len(later))
    yield gradient_curve("without batch norm, at initialisation", reports["plain"])


def _network(label: str, steps: int, **keys: object) -> dict[str, object]:
    return network(
        f"yang_{label}",
        steps=steps,
        batch_size=128,
        learning_rate=0.1,
        depth=_DEPTH,
        width=512,
        activation="relu",
        initializer="he_normal",
        use_bias=False,
        **keys,
    )


PAPERS.register("yang_2019")(
    Paper(
        title="Yang et al. 2019: batch norm explodes the gradient at initialisation",
        citation="G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein, S. Schoenholz: A mean field "
        "theory of batch normalization, ICLR 2019",
        shows="Thirty ReLU layers with batch norm, whose purpose it was to keep signals in "
        "place (Ioffe & Szegedy 2015). Going back, the gradient grows by the same factor in every "
        "layer, whatever the variance of the weights; without it He's weights keep it level. "
        "Training ends it: first in the layers near the input, after fifty steps in all.",
        differs="Here 512 units, batches of 128, Fashion-MNIST and a learning rate of 0.1.",
        quantity="rms of dL/dz over the last layer's",
        networks={
            "batch_norm": _network("batch_norm", _STEPS, batch_norm="before_activation"),
            "plain": _network("plain", 1),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        seeds=3,
        trained=True,
    )
)
