"""GS401: an initializer that does not suit this activation at this depth."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.curves.depth_profile import DepthProfile, depth_profile
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import (
    cause_sentences,
    causes,
    drawn_expectation,
    expectation,
    graph_causes,
)
from gradscope.record import Finding, Remedy, Role, RunRecord, Severity
from gradscope.record.run_record import Floats
from gradscope.theory.prediction import Prediction, Source

SMALLEST_INPUT, LARGEST_INPUT = 0.01, 10.0
"""Rms of the features beyond which `unscaled_input` is the cause."""


@detector(
    "GS401",
    rank=58,
    follows=("vanishing_signal", "exploding_signal", "vanishing_gradient", "exploding_gradient"),
    explains=True,
)
def initializer_mismatch(
    record: RunRecord,
    *,
    threshold: float = 100.0,
    lasting_threshold: float = 1e3,
    max_constant_ratio: float = 0.9,
) -> tuple[Finding, ...]:
    """Tell whether the initializer suits the activation at the depth it is used at.

    What it measures:
        Two ratios that theory predicts for this network and step 0 measures: the rms of z at the
        last hidden layer over that of the features, and the rms of delta at the first hidden layer
        over the last one's. In a network that branches the draws of its weights predict them, over
        the layers that everything passes: what the draws share is the design. There is no table of
        pairs: GELU with He keeps both at 3 layers and loses them at 30, and any scale does for one
        layer.
    Error when:
        Prediction and measurement of a ratio both leave the range from 1/threshold to threshold,
        and the profile is still beyond `lasting_threshold` at the end, or the network has not
        learned.
    Warning when:
        They leave the range and the network learns all the same.
    Not judged when:
        Theory does not cover the network and its weights were not drawn again, a hidden layer has
        batch norm, the network was not seen at initialisation, or the rms of the features is
        outside 0.01 to 10.
    Thresholds:
        threshold = 100: the ratio or its inverse, a tenth of the 1e3 of the ratios over depth. The
            healthy shipped configs stay within 10; only the SELU network of 100 layers reaches 60
            (seeds 0 to 4).
        lasting_threshold = 1e3: the same at the end of training, as for `vanishing_gradient`.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network has learned, as for `saturated_units`.
    Why it matters:
        It is the reason behind a signal or gradient that vanishes or explodes from the start.
    What to do:
        Use the initializer that belongs to the activation, or another activation. `gradscope
        theory` shows what each layer would be.
    Source:
        He et al. 2015; Schoenholz et al. 2017.
    """
    profile = depth_profile(record)
    if _is_graph(record, profile):
        return _by_design(record, profile, threshold, lasting_threshold, max_constant_ratio)
    prediction = _comparable(record, profile)
    hidden = [record.layers[i] for i in profile.indices]
    fed = math.sqrt(expectation.input_second_moment(record))
    signal = math.sqrt(prediction.preactivation_second_moment[len(hidden) - 1]) / fed
    predicted = (signal, _expected_gradient(record, prediction))
    measured = (float(profile.signal[0, -1]) / fed, float(profile.delta_relative[0, 0]))
    beyond = [
        (abs(math.log(actual)), what, expects, actual)
        for what, expects, actual in zip(("signal", "gradient"), predicted, measured, strict=True)
        if _beyond(expects, threshold)
        and _beyond(actual, threshold)
        and (expects > 1) == (actual > 1)
    ]
    if not beyond:
        return ()
    _, what, expects, actual = max(beyond)
    relative = profile.signal_relative if what == "signal" else profile.delta_relative
    grave = _grave(record, relative, lasting_threshold, max_constant_ratio)
    layer = hidden[-1]
    expecting, why, remedies = _reasons(record, prediction)
    way = f"from the features to {layer.name}"
    if what == "gradient":
        way = f"from {layer.name} back to {hidden[0].name}"
    return (
        findings.finding(
            record,
            grave,
            hidden,
            observed=max(actual, 1.0 / actual),
            threshold=threshold,
            message=(
                f"{layer.initializer} does not suit {layer.activation} over {len(hidden)} layers: "
                f"the {what} changes by x{actual:.2g} at initialisation."
            ),
            details=f"{expecting} x{expects:.2g} {way}.",
            cause=why,
            remedies=remedies,
            evidence=findings.evidence(record, n=findings.values_per_step(record, hidden)),
        ),
    )


def _expected_gradient(record: RunRecord, prediction: Prediction) -> float:
    """Rms of delta at the first hidden layer over the last one's, as the profile measures it."""
    if prediction.source is Source.DRAWS:
        return float(graph_causes.expected_depth(record).delta_relative[0, 0])
    return math.sqrt(prediction.delta_relative[0])


def _grave(
    record: RunRecord, relative: Floats, lasting_threshold: float, max_constant_ratio: float
) -> Severity:
    late = window.typical(relative, record.steps)
    lasts = any(_beyond(float(ratio), lasting_threshold) for ratio in late)
    if lasts or not loss_curve.learned(record, max_constant_ratio):
        return Severity.ERROR
    return Severity.WARNING


def _is_graph(record: RunRecord, profile: DepthProfile) -> bool:
    """Whether the layers branch, and draws say what their design gives."""
    return (
        record.draws is not None
        and record.draws.count > 1
        and profile.indices != record.indices(Role.HIDDEN)
        and bool(expectation.expected(record).outside)
    )


def _by_design(
    record: RunRecord,
    profile: DepthProfile,
    threshold: float,
    lasting_threshold: float,
    max_constant_ratio: float,
) -> tuple[Finding, ...]:
    """The centre of the draws over the layers that everything passes, in a network that branches.

    Every seed starts so: it is the design. Raises `NotMeasured`.
    """
    _check_start(record)
    design = graph_causes.expected_depth(record)
    pairs = (
        ("signal", design.signal_comparable, profile.signal_comparable, -1),
        ("gradient", design.gradient_relative, profile.gradient_relative, 0),
    )
    beyond = []
    for what, expected, measured, at in pairs:
        if not expected.size:
            continue
        expects, actual = float(expected[0, at]), float(measured[0, at])
        alike = (expects > 1) == (actual > 1)
        if _beyond(expects, threshold) and _beyond(actual, threshold) and alike:
            beyond.append((abs(math.log(actual)), what, expects, actual, measured))
    if not beyond:
        return ()
    _, what, expects, actual, measured = max(beyond, key=lambda item: item[0])
    layers = [record.layers[i] for i in profile.indices]
    by_design = [
        c for c in graph_causes.design_causes(record) if causes.explains_ratio(c, what, expects)
    ]
    assert record.draws is not None
    return (
        findings.finding(
            record,
            _grave(record, measured, lasting_threshold, max_constant_ratio),
            layers,
            observed=max(actual, 1.0 / actual),
            threshold=threshold,
            message=(
                f"By design the {what} changes by x{expects:.2g} over {len(layers)} layers at "
                "initialisation, whatever the seed."
            ),
            details=f"This seed measures x{actual:.2g}, from {profile.names[0]} to "
            f"{profile.names[-1]}.",
            cause=cause_sentences.cause_sentence(by_design[0]) if by_design else "",
            remedies=graph_causes.design_remedies(by_design[0]) if by_design else (),
            evidence=findings.evidence(record, n=findings.values_per_step(record, layers)),
        ),
    )


def _reasons(record: RunRecord, prediction: Prediction) -> tuple[str, str, tuple[Remedy, ...]]:
    """Who expects the figure, why it is so, and what changes it."""
    weights = causes.weights(record.layers[record.indices(Role.HIDDEN)[-1]])
    designed = graph_causes.design_causes(record)[:1]
    expecting = "Theory expects"
    if prediction.source is Source.DRAWS:
        expecting = "The draws of its initializers expect"
    if prediction.source is Source.THEORY or not designed:
        return expecting, weights, causes.smallest_change(record)
    why = cause_sentences.cause_sentence(*designed)
    remedies = graph_causes.design_remedies(*designed)
    return expecting, why, remedies or causes.smallest_change(record)


def _comparable(record: RunRecord, profile: DepthProfile) -> Prediction:
    """The prediction of the layers of `profile`; raises `NotMeasured`."""
    prediction = expectation.expected(record)
    if prediction.outside:
        drawn = drawn_expectation.drawn_prediction(record)
        if drawn is None:
            raise NotMeasured(f"outside theory: {prediction.outside}")
        prediction = drawn
    _check_start(record)
    if profile.indices != record.indices(Role.HIDDEN):
        raise NotMeasured("the hidden layers are no plain stack")
    return prediction


def _check_start(record: RunRecord) -> None:
    if any(record.layers[i].normalization for i in record.indices(Role.HIDDEN)):
        raise NotMeasured("batch norm sets the signal's size, whatever the initializer")
    if not len(record.steps) or record.steps[0] != 0:
        raise NotMeasured("the network was not seen at initialisation")
    fed = math.sqrt(expectation.input_second_moment(record))
    if not SMALLEST_INPUT <= fed <= LARGEST_INPUT:
        raise NotMeasured(f"features of rms {fed:.3g} decide the start, not the initializer")


def _beyond(ratio: float, factor: float) -> bool:
    return bool(np.isfinite(ratio)) and ratio > 0 and not 1.0 / factor <= ratio <= factor
