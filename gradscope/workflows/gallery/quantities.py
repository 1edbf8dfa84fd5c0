"""What papers plot, read off reports: geometric means over seeds, and theory with its band."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.record import Role
from gradscope.record.run_record import Floats
from gradscope.reporters.gallery.paper_figure import Curve, Row
from gradscope.reporters.report import Report
from gradscope.theory.fixed_points import fixed_point
from gradscope.theory.prediction import Band, Prediction
from gradscope.theory.scope import Block

BAND = "99 % band of theory over the seeds"
_WITHOUT_BAND = "10 %: theory has no band here"


def gradient(reports: Sequence[Report], row: int = 0) -> Floats:
    """Rms of delta over that of the last hidden layer, [layer], at a recorded step."""
    return _mean([depth_profile(each.record).delta_relative[row] for each in reports])


def signal(reports: Sequence[Report]) -> Floats:
    """Rms of z, [layer], at initialisation."""
    return _mean([depth_profile(each.record).signal[0] for each in reports])


def kernel_gradient(reports: Sequence[Report]) -> Floats:
    """Rms of the kernel's gradient over that of the last hidden layer, [layer], at step 0."""
    rows = []
    for each in reports:
        columns = list(each.record.indices(Role.HIDDEN))
        squares = each.record.series["kernel_gradient_second_moment"][0, columns]
        rows.append(np.sqrt(squares / squares[-1]))
    return _mean(rows)


def _mean(rows: Sequence[Floats]) -> Floats:
    means: Floats = np.exp(np.mean(np.log(np.array(rows)), axis=0))
    return means


def prediction(reports: Sequence[Report]) -> Prediction:
    """The prediction for the networks, which is the same for every seed."""
    made = reports[0].prediction
    assert made is not None, "the analyzer predicts for every built-in network"
    return made


def theory_gradient(reports: Sequence[Report]) -> Floats:
    """What `gradient` is in theory."""
    values: Floats = np.sqrt(prediction(reports).delta_relative[:-1])
    return values


def theory_signal(reports: Sequence[Report]) -> Floats:
    """What `signal` is in theory."""
    values: Floats = np.sqrt(prediction(reports).preactivation_second_moment[:-1])
    return values


def factor_per_layer(activation: str, variance: float, added: float) -> float:
    """Factor on the rms of delta per layer going back, where the signal is at its fixed point.

    Schoenholz et al. 2017, eq. 7: the root of chi_1 = `variance` E phi'(z)^2, with `variance` the
    fan-in times that of a weight and `added` what bias, or input, adds to the variance of z. Chen
    et al. 2018 (arXiv:1806.05394, section 3): the same per time step of a SimpleRNN.
    """
    layer = Block(
        name="repeated",
        units=1,
        activation=activation,
        parameters={},
        forward=variance,
        backward=variance,
        kept=1.0,
        normalization=None,
        fan_in=1,
        fan_out=1,
        orthogonal=False,
        bias_mean=0.0,
        bias_variance=added,
    )
    return math.sqrt(fixed_point(layer).chi_1)


def gradient_row(what: str, paper: str, reports: Sequence[Report], layer: int = 0) -> Row:
    """The gradient of a layer over the last one's, accepted within theory's band."""
    made, theory = prediction(reports), theory_gradient(reports)
    measured = gradient(reports)
    expected, observed = float(theory[layer]), float(measured[layer])
    if made.delta_band is None:
        return Row(what, paper, expected, expected * 0.9, expected * 1.1, observed, _WITHOUT_BAND)
    low, high = _limits(made.delta_band, reports, layer)
    return Row(what, paper, expected, low, high, observed, BAND)


def signal_row(what: str, paper: str, reports: Sequence[Report], layer: int) -> Row:
    """The rms of z of a layer, accepted within theory's band."""
    made, theory = prediction(reports), theory_signal(reports)
    measured = signal(reports)
    low, high = _limits(made.preactivation_band, reports, layer)
    return Row(what, paper, float(theory[layer]), low, high, float(measured[layer]), BAND)


def _limits(band: Band | None, reports: Sequence[Report], layer: int) -> tuple[float, float]:
    """Both ends of the band of the geometric mean over the seeds, as rms."""
    assert band is not None, "these papers are of networks for which theory has a band"
    low, high = (float(np.sqrt(end[layer])) for end in band.limits(seeds=len(reports)))
    return low, high


def gradient_curve(label: str, reports: Sequence[Report]) -> Curve:
    """The gradient over depth, with its theory."""
    measured, theory = gradient(reports), theory_gradient(reports)
    return Curve(label, tuple(measured.tolist()), tuple(theory.tolist()))


def signal_curve(label: str, reports: Sequence[Report]) -> Curve:
    """The signal over depth, with its theory."""
    measured, theory = signal(reports), theory_signal(reports)
    return Curve(label, tuple(measured.tolist()), tuple(theory.tolist()))


def rms_of(reports: Sequence[Report], statistic: str, layers: Sequence[str]) -> Floats:
    """The root of a second moment at step 0 in the named layers, [layer]."""
    record = reports[0].record
    column = {layer.name: layer.index for layer in record.layers}
    columns = [column[name] for name in layers]
    return _mean([np.sqrt(each.record.series[statistic][0, columns]) for each in reports])


def late_loss(reports: Sequence[Report]) -> float:
    """The loss of the last quarter of the steps over that of the first step."""
    shares = []
    for each in reports:
        loss = each.record.scalars["loss"]
        shares.append(float(np.median(loss[-max(1, len(loss) // 4) :]) / loss[0]))
    return float(np.mean(shares))
