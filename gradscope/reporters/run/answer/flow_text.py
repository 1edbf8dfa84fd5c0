"""What is said of a network in which nothing is wrong, and what keeps it so."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.analyzer.curves.depth_profile import depth_profile, rate_per_layer
from gradscope.analyzer.theory import expectation, graph_causes
from gradscope.record import DiagnosisState, LayerInfo, Role
from gradscope.record.run_record import Floats
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.report import Report
from gradscope.theory.prediction import Prediction, Source


def flow_rate(report: Report) -> float:
    """The gradient's factor per layer going back; NaN where there is none to tell."""
    delta = _relative_delta(report)
    if delta.size < 2 or report.record.branches:
        return math.nan
    return rate_per_layer(delta) ** -1


def _relative_delta(report: Report) -> Floats:
    record = report.record
    delta = window.typical(depth_profile(record).gradient_relative, record.steps)
    finite: Floats = delta[np.isfinite(delta)]
    return finite


def flow_sentence(report: Report) -> str:
    """The gradient's way back in one sentence; the headline where there is none to tell."""
    delta, rate = _relative_delta(report), flow_rate(report)
    if delta.size < 2:
        return report.diagnosis.headline
    if math.isfinite(rate):
        return f"{flow_words(report)}: x{rate:.2g} per layer going back, where x1 keeps the size."
    low, high = (number(float(f"{end:.2g}")) for end in (delta.min(), delta.max()))
    return f"{flow_words(report)}: every layer gets {low} to {high} times what the last one gets."


def flow_words(report: Report) -> str:
    """That gradients flow, and that this is the start alone where no training followed it."""
    only_start = report.record.outcome.steps_done == 1
    return "Gradients flow at initialisation" if only_start else "Gradients flow"


def flow_reason(report: Report) -> str:
    """What the layers are made of and what theory expects of it; "" unless it is one thing."""
    record = report.record
    if report.diagnosis.verdict is not DiagnosisState.HEALTHY:
        return ""
    hidden = [record.layers[i] for i in record.indices(Role.HIDDEN)]
    made = {_made_of(layer) for layer in hidden}
    if len(made) != 1:
        return ""
    [parts] = made
    prediction = report.prediction
    if prediction is None or prediction.outside:
        return parts
    if prediction.source is Source.DRAWS:
        # Not over branches: `flow_rate` has none there either.
        rates = () if record.branches else graph_causes.expected_profile(record, "delta")
        source, rate = "the draws expect", rate_per_layer(np.asarray(rates)) ** -1
    else:
        source, rate = "theory expects", _expected_rate(report, prediction)
    return f"{parts}; {source} x{rate:.2g}" if math.isfinite(rate) else parts


def _expected_rate(report: Report, prediction: Prediction) -> float:
    """What theory expects of the quantity whose rate is `flow_rate`."""
    rate = expectation.gradient_rate(prediction)
    # Delta times z: going back, the factor of the signal is divided out.
    scale_free = depth_profile(report.record).scale_free
    return rate / expectation.signal_rate(prediction) if scale_free else rate


def _made_of(layer: LayerInfo) -> str:
    norm = " and batch norm" if layer.normalization else ""
    return f"{layer.activation} with {layer.initializer}{norm}"
