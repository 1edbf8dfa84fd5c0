"""Géron 2022, chapter 11: a hundred SELU layers learn faster than a hundred ReLU layers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, network
from gradscope.workflows.gallery.quantities import late_loss, signal_curve, signal_row

_DEPTH, _STEPS = 100, 100
_LEARNS, _BETTER = 0.95, 0.9


def _rows(reports: Reports) -> Iterator[Row]:
    yield signal_row(
        "selu: rms of z in layer 100",
        "means near 0, standard deviations near 1 in every layer",
        reports["selu"],
        _DEPTH - 1,
    )
    yield Row(
        f"selu: loss after {_STEPS} steps over that of the start",
        "learns",
        math.nan,
        0.0,
        _LEARNS,
        late_loss(reports["selu"]),
        "falls by at least a twentieth: the chapter trains for five epochs",
    )
    yield Row(
        f"loss after {_STEPS} steps, selu over relu",
        "with ReLU: not great at all, vanishing or exploding gradients",
        math.nan,
        0.0,
        _BETTER,
        late_loss(reports["selu"]) / late_loss(reports["relu"]),
        "at most nine tenths: the chapter shows accuracies of longer trainings",
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    yield signal_curve("SELU, LeCun's weights", reports["selu"])
    yield signal_curve("ReLU, He's weights", reports["relu"])


def _network(activation: str, initializer: str) -> dict[str, object]:
    return network(
        f"geron_{activation}_100",
        steps=_STEPS,
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
        "He's initialization keeps the mean square only on average over initializations: in each "
        "network it drifts, and it learns more slowly.",
        differs="The chapter's first hidden layer has 300 units and it trains for five epochs; "
        "here all have 100, and 100 steps are made.",
        quantity="rms of z",
        networks={
            "selu": _network("selu", "lecun_normal"),
            "relu": _network("relu", "he_normal"),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        seeds=2,
        trained=True,
    )
)
