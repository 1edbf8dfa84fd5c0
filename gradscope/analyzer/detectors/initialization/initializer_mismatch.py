"""GS401: an initializer that does not suit this activation at this depth."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import static_findings
from gradscope.analyzer.curves import depth_profile, loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.theory import causes, expectation
from gradscope.record import Finding, RunRecord, Severity
from gradscope.theory.prediction import Prediction

SMALLEST, LARGEST = 0.01, 10.0
"""Rms of the features beyond which `unscaled_input` is the cause."""


@detector(
    "GS401",
    rank=58,
    follows=("vanishing_signal", "exploding_signal", "vanishing_gradient", "exploding_gradient"),
)
def initializer_mismatch(
    record: RunRecord, *, threshold: float = 100.0, lasting: float = 1e3, learned: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether the initializer suits the activation at the depth it is used at.

    Statistic: two ratios that theory predicts for this network and step 0 measures: rms of z at the
    last hidden layer over that of the features, and rms of delta at the first hidden layer over the
    last one's. No table of pairs: GELU with He keeps both at 3 layers and loses them at 30, and any
    scale does for one layer (He et al. 2015; Schoenholz et al. 2017; `gradscope theory`).

    Fires when prediction and measurement both leave 1/`threshold` to `threshold`: error when the
    profile is still beyond `lasting` (default 1e3, as `vanishing_gradient`) at the end, or the loss
    is not below `learned` (default 0.9, as for `saturated_units`) of a constant answer's (of the
    first where none is known); warning when the network learns all the same.

    Default 100: a tenth of those 1000; the healthy shipped configs stay within 10, only the
    100-layer SELU network reaches 60 (seeds 0 to 4). By rank it follows the verdict on what it
    causes, whose sentence names it already.
    """
    prediction, profile = _comparable(record)
    hidden = [record.layers[i] for i in profile.indices]
    fed = math.sqrt(expectation.fed(record))
    signal = math.sqrt(prediction.preactivation_second_moment[len(hidden) - 1]) / fed
    predicted = (signal, math.sqrt(prediction.delta_relative[0]))
    measured = (float(profile.signal[0, -1]) / fed, float(profile.delta_relative[0, 0]))
    beyond = [
        (abs(math.log(seen)), what, expects, seen)
        for what, expects, seen in zip(("signal", "gradient"), predicted, measured, strict=True)
        if _beyond(expects, threshold) and _beyond(seen, threshold) and (expects > 1) == (seen > 1)
    ]
    if not beyond:
        return ()
    _, what, expects, seen = max(beyond)
    relative = profile.signal_relative if what == "signal" else profile.delta_relative
    held = any(_beyond(float(ratio), lasting) for ratio in window.typical(relative))
    layer = hidden[-1]
    way = f"from the features to {layer.name}"
    if what == "gradient":
        way = f"from {layer.name} back to {hidden[0].name}"
    return (
        static_findings.finding(
            record,
            Severity.ERROR if held or not loss_curve.learned(record, learned) else Severity.WARNING,
            hidden,
            observed=max(seen, 1.0 / seen),
            threshold=threshold,
            message=(
                f"{layer.initializer} does not suit {layer.activation} over {len(hidden)} layers: "
                f"theory expects the {what} to change by x{expects:.2g} {way}, and at "
                f"initialisation it does by x{seen:.2g}."
            ),
            cause=causes.weights(layer),
            remedies=causes.smallest_change(record),
            n=record.batch_size * min(int(one.units or 1) for one in hidden),
            phase="training",
        ),
    )


def _comparable(record: RunRecord) -> tuple[Prediction, depth_profile.DepthProfile]:
    """Prediction and measurement of the same layers; raises `NotMeasured`."""
    prediction = expectation.expected(record)
    if prediction.outside:
        raise NotMeasured(f"outside theory: {prediction.outside}")
    if any(record.layers[i].normalization for i in record.indices("hidden")):
        raise NotMeasured("batch norm sets the signal's size, whatever the initializer")
    if not len(record.steps) or record.steps[0] != 0:
        raise NotMeasured("the network was not seen at initialisation")
    fed = math.sqrt(expectation.fed(record))
    if not SMALLEST <= fed <= LARGEST:
        raise NotMeasured(f"features of rms {fed:.3g} decide the start, not the initializer")
    profile = depth_profile.of(record)
    if profile.indices != record.indices("hidden"):
        raise NotMeasured("the hidden layers are no plain stack")
    return prediction, profile


def _beyond(ratio: float, factor: float) -> bool:
    return bool(np.isfinite(ratio)) and ratio > 0 and not 1.0 / factor <= ratio <= factor
