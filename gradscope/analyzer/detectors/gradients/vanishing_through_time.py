"""GS106: the error signal of a recurrent layer fades on its way back to the first time steps."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import ratio_findings
from gradscope.analyzer.curves import loss_curve, through_time, window
from gradscope.analyzer.curves.through_time import TimeProfile
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.record import Finding, RunRecord, Trait

FACTORS = {
    Trait.SIMPLE_RECURRENCE: (
        "Each time step back multiplies by the recurrent kernel and the activation's slope"
        " (Pascanu et al. 2013)."
    ),
    Trait.FORGET_GATE: (
        "Each time step back multiplies by the forget gate, which Keras starts at sigmoid(1) ="
        " 0.73."
    ),
    Trait.UPDATE_GATE: (
        "Each time step back multiplies by the update gate, which Keras starts at sigmoid(0) = 0.5."
    ),
}


@detector("GS106", rank=51, follows=("symmetric_units", "cut_gradient"))
def vanishing_through_time(
    record: RunRecord,
    *,
    threshold: float = 1e-3,
    learned: float = 0.95,
    moved: float = 0.05,
    fewest: float = 50,
) -> tuple[Finding, ...]:
    """Tell whether what a recurrent layer reads first can still be learned from.

    Statistic: rms of dL/dh_t, the total derivative by the state, at the first time step that is
    read, over its largest at any time step. A ratio, so rescaling the loss changes nothing. Time
    steps that the mask leaves out for every sample do not count; a layer that goes backwards reads
    the last one first. Judged are layers that give their last state alone. Where one gives a state
    at each time step, the loss may enter at each, and hides how little comes back from later ones;
    its profile speaks only for the layers after it, whose first states it goes around.

    Fires when the ratio is below `threshold` in at least half of the last quarter of the recorded
    steps. Default 1e-3: the kernels' gradients are sums over the time steps, to which the first
    then adds a thousandth of what the loudest does. Only the end counts: the gates of an LSTM
    start half closed, and training opens them. Seen with seeds 1, 2, 3 and 42 over 150 steps: the
    upper layer of `configs/own/lstm.yaml` starts at 5e-4 to 9e-4 and ends at 0.05 to 0.11, the LSTM
    of `configs/own/remembering.yaml`, which learns, is never below 0.04, and the SimpleRNN of
    `configs/own/forgetting.yaml` never above 1e-4.

    The task may not need what the first steps hold. It is an error only where the task is not
    learned either: the last quarter's loss is not below `learned` (default 0.95) of a constant
    answer's (ln C for a softmax over C classes), after at least `fewest` (default 50) recorded
    steps, whose updates add up to `moved` (default 0.05) of some layer's weights. Else it is a
    warning. docs/calibration.md has what was measured over a corpus.
    """
    profiles = through_time.of(record)
    judged = [profile for profile in profiles if profile.only_last]
    if not judged:
        raise NotMeasured(_nothing(record, profiles))
    figures = np.stack([through_time.heard(profile, profiles) for profile in judged], axis=1)
    found = ratio_findings.departure(record, figures, threshold, below=True)
    if found is None or not found.spell.at_end:
        return ()
    curve = loss_curve.of(record)
    trained = len(curve.loss) >= fewest and loss_curve.travelled(record) >= moved
    stuck = trained and curve.last >= learned * _constant(record)
    typical = window.typical(figures)
    furthest = judged[min(found.layers, key=lambda i: float(typical[i]))]
    cause = next((FACTORS[trait] for trait in furthest.layer.traits if trait in FACTORS), "")
    if not stuck:
        cause += " Whether the task needs what is read first, the loss does not tell."
    return (
        ratio_findings.finding(
            record,
            [profile.layer.index for profile in judged],
            found,
            _message(furthest, found, threshold),
            cause=cause.strip(),
            remedy=_remedy(furthest),
            grave=stuck,
        ),
    )


def _message(profile: TimeProfile, found: ratio_findings.Departure, threshold: float) -> str:
    rate = profile.rate_going_back
    each = f" (x{rate:.2g} per step)" if math.isfinite(rate) else ""
    loud = int(np.count_nonzero(profile.typical >= threshold))
    return (
        f"The gradient vanishes through time: going back over the {profile.layer.time_steps} time "
        f"steps of {profile.layer.name} the rms of dL/dh_t falls to {found.extreme:.2g} of its "
        f"largest{each}, {found.spell.words}; {loud} of them get at least 1/{1 / threshold:.0f}."
    )


def _remedy(profile: TimeProfile) -> str:
    steps = profile.layer.time_steps or 1
    return (
        f"shorter sequences, or an LSTM whose forget gate starts open for {steps} time steps: a "
        f"bias of ln({steps}) = {math.log(steps):.2g} in place of 1 (Tallec and Ollivier 2018)"
    )


def _constant(record: RunRecord) -> float:
    """Loss of the best constant on balanced classes; NaN where it is not known.

    The loss of a model of the user's own may be known to the model alone. Any usual loss of a
    softmax is below ln C when it has learned; a sum of several outputs' losses need not be.
    """
    known, ends = loss_curve.constant_predictor(record), loss_curve.outputs(record)
    if math.isfinite(known) or len(ends) != 1 or ends[0].activation != "softmax":
        return known
    return math.log(ends[0].units or 1) or math.nan


def _nothing(record: RunRecord, profiles: tuple[TimeProfile, ...]) -> str:
    """Why there is no layer to judge."""
    if profiles:
        return (
            f"{profiles[-1].layer.name} gives its state at every time step: what the loss sends to "
            "each hides how little comes back from later ones"
        )
    for layer in record.layers:
        if "recurrent_delta_second_moment" in layer.unmeasured:
            return f"delta per time step of {layer.name} is not measured: see `gradscope layers`"
    return "there is no recurrent layer of two time steps or more"
