"""Lu et al. 2020: narrow deep ReLU networks are born dead, and theory says how many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from gradscope.record import Role
from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.reporters.report import Report
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, network

_DEPTH, _SEEDS = 10, 150
_WIDTHS = (2, 4, 8)


def born_dead_at_most(width: int, depth: int) -> float:
    """The paper's bound for weights of a symmetric law and biases of 0 (Theorem 3.1)."""
    return 1.0 - (1.0 - 0.5**width) ** depth


def silent(width: int) -> list[float]:
    """Expected share of activations that are 0, by layer.

    A sample that reaches a layer turns each unit off with probability 1/2, and so all of them with
    2^-width; a sample that does not reach it leaves all at 0.
    """
    return [1.0 - 0.5 * (1.0 - 0.5**width) ** layer for layer in range(_DEPTH)]


def _zeros(reports: Sequence[Report]) -> np.ndarray:
    """Share of activations that are 0 at the start, [seed, layer]."""
    columns = list(reports[0].record.indices(Role.HIDDEN))
    return np.array([each.record.series["zero_fraction"][0, columns] for each in reports])


def _rows(reports: Reports) -> Iterator[Row]:
    for width in _WIDTHS:
        zeros = _zeros(reports[f"width_{width}"])
        bound = born_dead_at_most(width, _DEPTH)
        error = 3.0 * math.sqrt(bound * (1.0 - bound) / _SEEDS)
        yield Row(
            f"width {width}: networks born dead, of {_SEEDS}",
            f"at most {bound:.3g} (Theorem 3.1)",
            bound,
            0.0,
            bound + error,
            float(np.mean(zeros[:, -1] == 1.0)),
            "up to the bound, and three standard errors of a share",
        )
    zeros, expected = _zeros(reports["width_2"])[:, -1], silent(2)[-1]
    error = 3.0 * float(zeros.std()) / math.sqrt(_SEEDS)
    yield Row(
        "width 2: share of activations that are 0 in layer 10",
        "follows from the proof of Theorem 3.1",
        expected,
        expected - error,
        min(1.0, expected + error),
        float(zeros.mean()),
        "three standard errors of a mean over the seeds",
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    for width in _WIDTHS:
        means = _zeros(reports[f"width_{width}"]).mean(axis=0)
        yield Curve(f"width {width}", tuple(means.tolist()), tuple(silent(width)))


def _network(width: int) -> dict[str, object]:
    return network(
        f"lu_width_{width}",
        depth=_DEPTH,
        width=width,
        activation="relu",
        initializer="he_normal",
        batch_size=64,
        data={"name": "gaussian", "samples": 500, "features": 1, "scaling": "none", "classes": 2},
    )


PAPERS.register("lu_2020")(
    Paper(
        title="Lu et al. 2020: born dead",
        citation="L. Lu, Y. Shin, Y. Su, G. Karniadakis: Dying ReLU and initialization: theory "
        "and numerical examples, Communications in Computational Physics 28, 2020",
        shows="Ten ReLU layers of 2, 4 and 8 units. With few units there is a fair chance that "
        "some layer turns off for every sample; from there on nothing but zeros comes out, and no "
        "training can change it. The chance falls with the width and grows with the depth.",
        differs="The paper draws a million networks; here 150 of each width.",
        quantity="share of activations that are 0",
        networks={f"width_{width}": _network(width) for width in _WIDTHS},
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        seeds=_SEEDS,
    )
)
