"""Gradient and signal over depth: measured, in theory, and as a remedy promises."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.theory.drawn_profile import depth_limits
from gradscope.analyzer.theory.expectation import limits
from gradscope.catalog.activations import find_activation
from gradscope.record import Finding, Remedy
from gradscope.record import Role as LayerRole
from gradscope.record.run_record import Floats
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.page.moments import frames
from gradscope.reporters.run.page.plot_parts import (
    failing,
    floats,
    fraction,
    layer_ticks,
    over_layers,
    plot_title,
    typical_row,
)
from gradscope.reporters.run.page.screen import Curve, Limit, Plot, Role
from gradscope.theory.prediction import Source

_PASSED = (1e-3, 1e3)
"""The ratios over depth that GS101, GS102, GS201 and GS202 let pass."""


def gradient_plot(report: Report, finding: Finding | None) -> Plot | None:
    """The gradient over depth; None where it has no two layers."""
    profile = depth_profile(report.record)
    if len(profile.names) < 2 or not len(report.record.steps):
        return None
    series, relative = profile.gradient_relative, True
    if not np.isfinite(typical_row(report, finding, series)).any():
        series, relative = profile.delta, False
        if not np.isfinite(typical_row(report, finding, series)).any():
            return None  # zeros are shown, what is not finite is not
    heading = plot_title(report, finding, "Gradient over depth")
    if report.diagnosis.verdict == "healthy":
        heading = lead.why(report) or heading
    last = printable(profile.names[-1])
    over = f" over that of {last}" if relative else ""
    words = ("Gradient", heading, f"{profile.quantity[4:].capitalize()}{over}")
    return replace(_depth_plot(report, finding, words, series, 1.0), relative=relative)


def signal_plot(report: Report, finding: Finding | None) -> Plot | None:
    """The signal over depth; None where it has no two layers."""
    profile = depth_profile(report.record)
    if len(profile.names) < 2 or not len(report.record.steps):
        return None
    values = typical_row(report, finding, profile.signal)
    if not np.isfinite(profile.signal).any():
        return None
    heading = plot_title(report, finding, "Signal over depth")
    words = ("Signal", heading, "Rms of z, what the activation receives")
    unit = float(values[0]) if math.isfinite(values[0]) else 1.0
    return _depth_plot(report, finding, words, profile.signal, unit)


def _depth_plot(
    report: Report,
    finding: Finding | None,
    words: tuple[str, str, str],
    series: Floats,
    unit: float,
) -> Plot:
    """Signal or gradient with theory, its band, the promise of the remedy and the limits.

    `words` are the tab, the title and the definition; limits are multiples of `unit`.
    """
    tab, title, definition = words
    values = typical_row(report, finding, series)
    profile = depth_profile(report.record)
    names = profile.names
    quantity = "delta" if tab == "Gradient" else "signal"
    # Theory and promise are of delta, and a scale-free network's verdicts of another figure.
    comparable = not (profile.scale_free and quantity == "delta")
    drawn = report.prediction is not None and report.prediction.source is Source.DRAWS
    expected = _draws(report, quantity) if drawn else ()
    curves = [
        *(_theory(report, names, quantity) if comparable and not drawn else expected),
        *(_promise(report, finding, values, quantity) if comparable else ()),
        *(_scaled(report, finding, names) if quantity == "signal" else ()),
        Curve(Role.MEASURED, "measured", floats(values)),
    ]
    return Plot(
        tab,
        title,
        definition,
        over_layers(names),
        tuple(map(printable, names)),
        layer_ticks(names),
        tuple(curves),
        _ratio_limits(report, finding, unit, tab),
        failing(finding, names),
        frames=frames(report.record, series),
    )


def _ratio_limits(
    report: Report, finding: Finding | None, unit: float, tab: str
) -> tuple[Limit, ...]:
    """The limit that was crossed, or the two that were not."""
    verdict = lead.lead_verdict(report)
    if finding is not None and verdict is not None and verdict.name in _OVER_DEPTH:
        return (Limit(finding.threshold * unit, f"limit {fraction(finding.threshold)}", True),)
    of = "" if tab == "Gradient" else " of the first layer's"
    return tuple(Limit(end * unit, f"limit {fraction(end)}{of}", False) for end in _PASSED)


_OVER_DEPTH = frozenset(
    (
        "vanishing_gradient",
        "exploding_gradient",
        "vanishing_signal",
        "exploding_signal",
        "batch_norm_explosion",
    )
)
"""Detectors whose threshold is a ratio over depth."""


def _theory(report: Report, names: Sequence[str], quantity: str) -> Iterator[Curve]:
    """What theory expects at the start."""
    prediction = report.prediction
    if prediction is None or prediction.outside:
        return
    moments = (
        prediction.delta_relative if quantity == "delta" else prediction.preactivation_second_moment
    )
    line = _by_name(prediction.names, np.sqrt(moments), names)
    if not any(map(math.isfinite, line)):
        return
    ends = limits(prediction).get(quantity)
    low, high = (_by_name(prediction.names, end, names) for end in ends) if ends else ((), ())
    label = "theory, 99% band" if low else "theory"
    yield Curve(Role.THEORY, f"{label}, at the start", line, low, high)


def _draws(report: Report, quantity: str) -> Iterator[Curve]:
    """What draws of the weights show of the same layers and of the same figure."""
    drawn = depth_limits(report.record)[quantity]
    line = floats(drawn.centre)
    if any(map(math.isfinite, line)):
        label = "draws of the weights, 99% band, at the start"
        yield Curve(Role.THEORY, label, line, floats(drawn.low), floats(drawn.high))


def _by_name(known: Sequence[str], values: Floats, names: Sequence[str]) -> tuple[float, ...]:
    by_name = dict(zip(known, values, strict=True))
    return tuple(float(by_name.get(name, math.nan)) for name in names)


def _scaled(report: Report, finding: Finding | None, names: Sequence[str]) -> Iterator[Curve]:
    """What theory expects of features of rms 1, where those of the run are of another.

    Only where the signal is in proportion to the features: homogeneous activations, no biases.
    """
    if finding is None or lead.lead_name(report) != "unscaled_input" or not finding.observed > 0:
        return
    hidden = [layer for layer in report.record.layers if layer.role is LayerRole.HIDDEN]
    entries = [find_activation(layer.activation or "linear") for layer in hidden]
    if any(entry is None or entry.negative_slope is None for entry in entries):
        return
    if any(layer.bias_initializer not in (None, "zeros") for layer in hidden):
        return
    for curve in _theory(report, names, "signal"):
        scaled = tuple(value / finding.observed for value in curve.values)
        yield Curve(Role.PROMISE, "with features of rms 1, in theory", scaled)


def _promise(
    report: Report, finding: Finding | None, values: Floats, quantity: str
) -> Iterator[Curve]:
    """What theory expects after the first remedy, from the layer where the quantity starts."""
    remedies: tuple[Remedy, ...] = report.diagnosis.remedies
    if finding is None or not remedies or remedies[0].promise is None:
        return
    promise, count = remedies[0].promise, len(values)
    if quantity == "delta":
        line = [promise.gradient_per_layer ** (count - 1 - i) for i in range(count)]
    else:
        line = [float(values[0]) * promise.signal_per_layer**i for i in range(count)]
    changed = " with ".join(str(value) for _, value in remedies[0].settings)
    yield Curve(Role.PROMISE, f"{changed} in theory", tuple(line))
