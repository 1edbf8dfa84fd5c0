"""Géron 2022, chapter 11: a hundred SELU layers learn where a hundred ReLU layers do not."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, network
from gradscope.workflows.gallery.quantities import late_loss, signal_curve, signal_row

_DEPTH, _LEARNS = 100, 0.95


def _rows(reports: Reports) -> Iterator[Row]:
    yield signal_row(
        "selu: rms of z in layer 100",
        "means near 0, standard deviations near 1 in every layer",
        reports["selu"],
        _DEPTH - 1,
    )
    yield Row(
        "selu: loss after 100 steps over that of the start",
        "learns",
        math.nan,
        0.0,
        _LEARNS,
        late_loss(reports["selu"]),
        "falls by at least a twentieth: the chapter trains for five epochs",
    )
    yield Row(
        "relu: loss after 100 steps over that of the start",
        "hardly learns: vanishing or exploding gradients",
        math.nan,
        _LEARNS,
        math.inf,
        late_loss(reports["relu"]),
        "does not fall by as much",
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    for label, of_network in reports.items():
        yield signal_curve(label, of_network)


def _network(activation: str, initializer: str) -> dict[str, object]:
    return network(
        f"geron_{activation}_100",
        steps=100,
        learning_rate=0.001,
        depth=_DEPTH,
        width=100,
        activation=activation,
        initializer=initializer,
    )


PAPERS.register("geron_2022_selu")(
    Paper(
        title="Géron 2022: a hundred layers, SELU against ReLU",
        citation="A. Géron: Hands-on machine learning with Scikit-Learn, Keras and TensorFlow, "
        "third edition, chapter 11, 2022",
        shows="A hundred layers of 100 units. SELU with LeCun's initialization keeps every "
        "layer at mean 0 and variance 1, and the network learns from the first steps. ReLU with "
        "He's initialization keeps the mean square only on average over initializations: in the "
        "one network that is trained it drifts, and all samples come to look alike.",
        differs="The chapter's first hidden layer has 300 units and it trains for five epochs; "
        "here all have 100, and 100 steps are made.",
        quantity="rms of z",
        networks={
            "selu": _network("selu", "lecun_normal"),
            "relu": _network("relu", "he_normal"),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        seeds=3,
        trained=True,
    )
)
