"""Pascanu et al. 2013 (Hochreiter 1991): through time the gradient of an RNN vanishes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.reporters.report import Report
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, own_network

_STEPS, _GAIN = 50, 0.9
_KEPT = _STEPS / (_STEPS + 1)
_EDGE = 10
"""Steps at either end that the LSTM's rate leaves out: there other gates act too."""


def through_time(reports: Sequence[Report]) -> np.ndarray:
    """Rms of the gradient at each time step over that at the last, [time]."""
    rows = [np.sqrt(each.record.recurrent_delta["memory"][0]) for each in reports]
    means = np.exp(np.mean(np.log(rows), axis=0))
    values: np.ndarray = means / means[-1]
    return values


def _rate(values: np.ndarray) -> float:
    """Factor per time step going back, in the middle of the sequence."""
    early, late = _EDGE, _STEPS - 1 - _EDGE
    return float((values[early] / values[late]) ** (1.0 / (late - early)))


def _rows(reports: Reports) -> Iterator[Row]:
    rnn, lstm = through_time(reports["simple_rnn"]), through_time(reports["lstm"])
    bound = _GAIN ** (_STEPS - 1)
    yield Row(
        "SimpleRNN: gradient of time step 1 over step 50",
        f"at most {_GAIN}^49: the largest singular value, per step (section 2.1)",
        bound,
        0.0,
        bound,
        float(rnn[0]),
        "a bound: the slope of tanh is at most 1",
    )
    yield Row(
        "LSTM: factor per time step in the middle",
        "the constant error carousel: near 1 (Hochreiter and Schmidhuber 1997)",
        _KEPT,
        _KEPT * 0.97,
        _KEPT * 1.03,
        _rate(lstm),
        "3 %: the forget gate alone has 50/51; what goes through the other gates adds to it",
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    at = tuple(float(step) for step in range(1, _STEPS + 1))
    back = np.arange(_STEPS - 1, -1, -1)
    yield Curve(
        "a SimpleRNN, and its bound",
        tuple(through_time(reports["simple_rnn"]).tolist()),
        tuple((_GAIN**back).tolist()),
        at,
    )
    nothing = (float("nan"),) * _STEPS
    yield Curve("an LSTM", tuple(through_time(reports["lstm"]).tolist()), nothing, at)


PAPERS.register("pascanu_2013")(
    Paper(
        title="Hochreiter 1991, Pascanu et al. 2013: the gradient through time",
        citation="R. Pascanu, T. Mikolov, Y. Bengio: On the difficulty of training recurrent "
        "neural networks, ICML 2013",
        shows="A SimpleRNN and an LSTM that read fifty time steps. Each step back multiplies "
        "the gradient of the SimpleRNN by the recurrent matrix and by the slope of tanh, so that "
        "it vanishes at least as fast as the dotted bound. The LSTM's cell passes it on through "
        "the forget gate alone, which starts near 1.",
        differs="The recurrent matrix is 0.9 times an orthogonal one, so that the bound is known; "
        "the LSTM's is 0.1 times one, so that little goes around the cell, and its forget gate "
        "starts at sigmoid(ln 50), as Tallec and Ollivier 2018 propose.",
        quantity="rms of dL/dh over the last step's",
        networks={
            "simple_rnn": own_network("pascanu_rnn", "recurrent", cell="rnn", gain=_GAIN),
            "lstm": own_network("pascanu_lstm", "recurrent", cell="lstm", gain=0.1),
        },
        rows=lambda reports: tuple(_rows(reports)),
        curves=lambda reports: tuple(_curves(reports)),
        seeds=3,
        axis="time step",
    )
)
