"""Pascanu et al. 2013 (Hochreiter 1991): through time the gradient of an RNN vanishes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.reporters.report import Report
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.paper import Paper, Reports, own_network
from gradscope.workflows.gallery.quantities import factor_per_layer

_STEPS, _GAIN, _FEATURES, _UNITS = 50, 0.9, 4, 64
_INPUT = _FEATURES * 2.0 / (_FEATURES + _UNITS)
"""What standard normal features add to the variance of z: Glorot's weights from each of them."""
_KEPT = _STEPS / (_STEPS + 1)
_EDGE = 10
"""Steps at either end that the rates leave out: there the state settles and other gates act."""
_RATE = 0.03


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
    expected = factor_per_layer("tanh", _GAIN**2, _INPUT)
    yield Row(
        "SimpleRNN: factor per time step in the middle",
        "the recurrent matrix times the slope of tanh (eq. 5)",
        expected,
        expected * (1.0 - _RATE),
        expected * (1.0 + _RATE),
        _rate(rnn),
        "3 %: theory is that of many features and units, here 4 and 64",
    )
    yield Row(
        "LSTM: factor per time step in the middle",
        "the constant error carousel: near 1 (Hochreiter and Schmidhuber 1997)",
        _KEPT,
        _KEPT * (1.0 - _RATE),
        _KEPT * (1.0 + _RATE),
        _rate(lstm),
        "3 %: the forget gate alone has 50/51; what goes through the other gates adds to it",
    )


def _curves(reports: Reports) -> Iterator[Curve]:
    at = tuple(float(step) for step in range(1, _STEPS + 1))
    back = np.arange(_STEPS - 1, -1, -1)
    rnn, lstm = through_time(reports["simple_rnn"]), through_time(reports["lstm"])
    expected = factor_per_layer("tanh", _GAIN**2, _INPUT) ** back
    yield Curve("a SimpleRNN", tuple(rnn.tolist()), tuple(expected.tolist()), at)
    # The loss reads the last state itself, the earlier ones through the gates alone.
    expected = lstm[-2] * _KEPT ** (back[:-1] - 1.0)
    yield Curve("an LSTM", tuple(lstm.tolist()), tuple(expected.tolist()), at, at[:-1])


PAPERS.register("pascanu_2013")(
    Paper(
        title="Hochreiter 1991, Pascanu et al. 2013: the gradient through time",
        citation="R. Pascanu, T. Mikolov, Y. Bengio: On the difficulty of training recurrent "
        "neural networks, ICML 2013",
        shows="A SimpleRNN and an LSTM that read fifty time steps. Each step back multiplies "
        "the gradient of the SimpleRNN by the recurrent matrix and by the slope of tanh, so that "
        "it vanishes. The loss reads the LSTM's last state itself and the earlier ones through "
        "gates: that is the drop at its last step. From there on the cell passes the gradient on "
        "through the forget gate, which starts near 1, and the LSTM keeps it.",
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
