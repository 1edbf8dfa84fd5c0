"""GS106: the error signal of a recurrent layer fades on its way back to the first time steps."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import departures
from gradscope.analyzer.curves import held_out, loss_curve, through_time, window
from gradscope.analyzer.curves.through_time import TimeProfile
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory.drawn_profile import time_limits
from gradscope.record import Action, Finding, Remedy, RunRecord, Trait

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


@detector("GS106", rank=51, follows=("cut_gradient",))
def vanishing_through_time(
    record: RunRecord,
    *,
    threshold: float = 1e-3,
    max_constant_ratio: float = 0.95,
    min_weight_change: float = 0.05,
    min_steps: float = 50,
) -> tuple[Finding, ...]:
    """Tell whether a recurrent layer can still learn from what it reads first.

    What it measures:
        The rms of dL/dh_t, the total derivative by the state, at the first time step that is read,
        over its largest at any time step. It is a ratio, so the scale of the loss does not matter.
        Time steps that the mask leaves out for every sample do not count; a layer that goes
        backwards reads the last time step first.
    Error when:
        The ratio is below the threshold in at least half of the last quarter of the recorded steps,
        and the task is not learned: after `min_steps` recorded steps whose updates add up to
        `min_weight_change`, the loss of the last quarter is not below `max_constant_ratio`, or the
        test set is answered by chance.
    Warning when:
        The ratio is below the threshold and the task is learned, or training was too short to tell:
        the task may not need what the first time steps hold. A ratio that is low at initialisation
        only is no finding: the gates of an LSTM start half closed, and training opens them.
    Not judged when:
        No recurrent layer gives its last state alone. Where a layer gives a state at each time
        step, the loss may enter at each, and hides how little comes back from later ones; its
        profile speaks only for the layers after it, whose first states it goes around.
    Thresholds:
        threshold = 1e-3: the ratio. The gradients of the kernels are sums over the time steps, to
            which the first then adds a thousandth of what the largest does. Measured with seeds 1,
            2, 3 and 42 over 150 steps: the upper layer of `configs/own/lstm.yaml` starts at 5e-4 to
            9e-4 and ends at 0.05 to 0.11; the LSTM of `configs/own/remembering.yaml`, which learns,
            is never below 0.04; the SimpleRNN of `configs/own/forgetting.yaml` is never above 1e-4.
        max_constant_ratio = 0.95: the loss over that of a constant prediction (ln C for a softmax
            over C classes) below which the task is learned. docs/calibration.md has the rates over
            a corpus.
        min_weight_change = 0.05: the sum of the update ratios of the layer that moves most, from
            which training was long enough to tell.
        min_steps = 50: the recorded steps from which the noise of single batches averages out.
    Why it matters:
        The network forgets: what the first time steps hold has no influence on the weights.
    What to do:
        Shorten the sequences, or use an LSTM with a forget gate that starts open for as many time
        steps.
    Source:
        Pascanu et al. 2013; Tallec & Ollivier 2018 (the bias of the forget gate).
    """
    profiles = through_time.time_profiles(record)
    judged = [profile for profile in profiles if profile.only_last]
    if not judged:
        raise NotMeasured(_why_not(record, profiles))
    figures = np.stack(
        [through_time.gradient_at_first_step(profile, profiles) for profile in judged], axis=1
    )
    departure = departures.find_departure(record, figures, threshold, below=True)
    if departure is None or not departure.occurrence.at_end:
        return ()
    curve = loss_curve.training_curve(record)
    trained = len(curve.loss) >= min_steps and loss_curve.path_length(record) >= min_weight_change
    level = max_constant_ratio * _constant_loss(record)
    stuck = trained and (curve.last >= level or held_out.only_by_chance(record))
    typical = window.typical(figures, record.steps)
    furthest = judged[min(departure.layers, key=lambda i: float(typical[i]))]
    cause = next((FACTORS[trait] for trait in furthest.layer.traits if trait in FACTORS), "")
    doubt = "" if stuck else "The loss does not tell whether the task needs what is read first."
    return (
        departures.departure_finding(
            record,
            [profile.layer.index for profile in judged],
            departure,
            f"The gradient vanishes through time: what {furthest.layer.name} reads first gets "
            f"{departure.extreme:.2g} of the largest.",
            details=_details(furthest, departure, threshold) + _at_start(record, furthest),
            cause=cause,
            cause_details=doubt,
            remedies=_remedies(furthest),
            at_most_warning=not stuck,
        ),
    )


def _details(profile: TimeProfile, departure: departures.Departure, threshold: float) -> str:
    rate = profile.rate_going_back
    each = f" (x{rate:.2g} per step)" if math.isfinite(rate) else ""
    above = int(np.count_nonzero(profile.typical >= threshold))
    return (
        f"Going back over its {profile.layer.time_steps} time steps the rms of dL/dh_t falls"
        f"{each}, {departure.occurrence.text}; {above} of them get at least 1/{1 / threshold:.0f}."
    )


def _at_start(record: RunRecord, profile: TimeProfile) -> str:
    """What initialisations of the design have at the first time step; "" where none were drawn."""
    drawn = time_limits(record).get(profile.layer.name)
    if drawn is None or not drawn.centre[0] > 0:
        return ""
    ends = f"{drawn.low[0]:.2g} to {drawn.high[0]:.2g}"
    return f" At initialisation the draws give the first {drawn.centre[0]:.2g} ({ends})."


def _remedies(profile: TimeProfile) -> tuple[Remedy, ...]:
    steps = profile.layer.time_steps or 1
    open_gate = Remedy(Action.OPEN_FORGET_GATE, layers=(profile.layer.name,), time_steps=steps)
    return (Remedy(Action.SHORTEN_SEQUENCES), open_gate)


def _constant_loss(record: RunRecord) -> float:
    """Loss of the best constant on balanced classes; NaN where it is not known.

    The loss of a model of the user's own may be known to the model alone. Any usual loss of a
    softmax is below ln C when it has learned; a sum of several outputs' losses need not be.
    """
    constant, outputs = loss_curve.constant_predictor(record), loss_curve.output_layers(record)
    if math.isfinite(constant) or len(outputs) != 1 or outputs[0].activation != "softmax":
        return constant
    return math.log(outputs[0].units or 1) or math.nan


def _why_not(record: RunRecord, profiles: tuple[TimeProfile, ...]) -> str:
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
