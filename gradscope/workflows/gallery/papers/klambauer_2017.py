"""Klambauer et al. 2017: SELU goes to mean 0 and variance 1 by itself, under its conditions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, network
from gradscope.workflows.gallery.quantities import signal_curve, signal_row

_LAST, _DROPOUT = 49, 0.1


def _rows(reports: Reports) -> Iterator[Row]:
    yield signal_row(
        "lecun: rms of z in layer 50",
        "fixed point: mean 0, variance 1 (abstract, section 2)",
        reports["lecun"],
        _LAST,
    )
    yield signal_row(
        "small inputs: rms of z in layer 50",
        "the fixed point attracts (Theorem 1)",
        reports["small_inputs"],
        _LAST,
    )
    yield signal_row(
        "dropout: rms of z in layer 50",
        "none: it offers alpha dropout, as plain dropout changes mean and variance (section 2)",
        reports["dropout"],
        _LAST,
    )
    yield signal_row(
        "he: rms of z in layer 50",
        "none: its theorems need weights of variance 1/n",
        reports["he"],
        _LAST,
    )


_SHOWN = {
    "lecun": "LeCun's weights",
    "small_inputs": "inputs too small",
    "dropout": f"plain dropout of {_DROPOUT}",
    "he": "He's weights",
}


def _curves(reports: Reports) -> Iterator[Curve]:
    for label, of_network in reports.items():
        yield signal_curve(_SHOWN[label], of_network)


def _network(
    label: str, initializer: str, scaling: str = "standardize", **keys: Any
) -> dict[str, object]:
    return network(
        f"selu_{label}",
        depth=50,
        width=256,
        activation="selu",
        initializer=initializer,
        data={"name": "fashion_mini", "scaling": scaling},
        **keys,
    )


PAPERS.register("klambauer_2017")(
    Paper(
        title="Klambauer et al. 2017: SELU's fixed point",
        citation="G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter: Self-normalizing neural "
        "networks, NeurIPS 2017",
        shows="Fifty SELU layers. With LeCun's variance, 1/n, the signal stays at 1. From inputs "
        "that are too small it comes back to 1 within a few layers. With He's variance, 2/n, it "
        "grows far beyond 1: SELU no longer normalizes itself.",
        differs="The paper proves it for any depth; here 50 layers of 256 units on Fashion-MNIST.",
        quantity="rms of z",
        networks={
            "lecun": _network("lecun", "lecun_normal"),
            "small_inputs": _network("small_inputs", "lecun_normal", "minmax"),
            "dropout": _network("dropout", "lecun_normal", dropout=_DROPOUT),
            "he": _network("he", "he_normal"),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
    )
)
