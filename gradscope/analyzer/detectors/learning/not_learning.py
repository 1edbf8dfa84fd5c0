"""GS602: a loss that does not fall."""

from __future__ import annotations

import math

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.curves.loss_curve import LossCurve
from gradscope.analyzer.detectors import EVERY_EARLIER, detector
from gradscope.analyzer.network import is_user_model
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Evidence, Finding, Remedy, RunRecord, Severity

FEW_STEPS = 300
"""Steps below which a network that has learned nothing yet is asked to train longer first: those of
the shipped configs."""

UNEVEN = 30.0
"""Ratio over depth from which it is mentioned beside a loss that stands still."""


@detector("GS602", rank=80, follows=EVERY_EARLIER)
def not_learning(
    record: RunRecord,
    *,
    standard_errors: float = 3.0,
    max_constant_ratio: float = 0.95,
    min_weight_change: float = 0.05,
    min_relative_fall: float = 0.01,
    min_steps: float = 50,
    max_noise: float = 0.1,
) -> tuple[Finding, ...]:
    """Tell whether training gets anywhere, judged by the loss's own noise.

    What it measures:
        The mean loss of the last quarter over that of the best constant prediction (the entropy of
        the classes, ln C where they are balanced; the variance of real targets), and its fall since
        the third quarter of the recorded steps, in standard errors of that difference. Where no
        constant is known, its fall since the first quarter. It is the consequence of any other
        finding about training.
    Error when:
        The loss fell by less than `standard_errors` or by less than `min_relative_fall`, and is not
        below `max_constant_ratio`: what it fell by before, it owes to the biases of the output. An
        accuracy above the commonest class's share, by a twentieth of the way to all right and by
        five standard errors, is learning too, in training or on the test set: a penalty on the
        weights may outweigh the loss. Error as well when the loss falls, but not below 0.9 of a
        constant prediction's, and the test set shows nothing of it: a test loss above a constant
        prediction's and an accuracy within `standard_errors` of chance, as where labels belong to
        other samples.
    Warning when:
        The same holds for a model of the user's own of which neither a constant nor an accuracy is
        known: it may have come trained.
    Not judged when:
        Fewer than `min_steps` losses were recorded; no layer's updates add up to
        `min_weight_change` and the loss is where it began; or the noise is above `max_noise`.
    Thresholds:
        standard_errors = 3: the fall in its standard errors; by chance it is as large once in 700.
        max_constant_ratio = 0.95: the loss over that of a constant prediction below which the
            network has learned. docs/calibration.md has the rates over a corpus.
        min_weight_change = 0.05: the sum of the update ratios of the layer that moves most. A tiny
            learning rate is no fault, it only takes longer.
        min_relative_fall = 0.01: the fall over the loss; at 1 % it takes a hundred such quarters to
            get anywhere.
        min_steps = 50: the recorded steps from which a fall shows beside the noise.
        max_noise = 0.1: `standard_errors` standard errors over the loss, as on batches of few
            samples: a fall of that size per quarter, which is learning, would not have shown.
    Why it matters:
        The network is no better than one that gives every sample the same answer.
    What to do:
        Look at the findings that come before it. Where there are none, train for 300 steps at
        least, then check that each label belongs to its sample, and try other learning rates.
    Source:
        The standard error of the difference of two means of independent batches.
    """
    curve = loss_curve.training_curve(record)
    if len(curve.loss) < min_steps:
        raise NotMeasured(f"{len(curve.loss)} recorded steps are too few to tell a fall from noise")
    path = loss_curve.path_length(record)
    if not path >= min_weight_change and not _moved_away(curve):
        raise NotMeasured(
            f"updates added up to {path:.2g} of the weights: too little to see a difference"
        )
    best = loss_curve.constant_predictor(record)
    fall, error = curve.fall(2 if math.isfinite(best) else 0)
    late = float(curve.late.mean())
    noise = standard_errors * error
    falls = fall > max(noise, min_relative_fall * late) or late < max_constant_ratio * best
    learns = falls or loss_curve.above_chance(record) or _above_chance_on_test_set(record)
    if not learns and noise > max_noise * abs(late):
        raise NotMeasured(
            f"the loss of {late:.3g} scatters too much from batch to batch: only a fall by "
            f"{noise:.2g} in a quarter of the steps would have shown"
        )
    test_gain = _test_gain(record, late, best)
    if learns and not test_gain <= standard_errors:
        return ()
    certain = math.isfinite(best) or _started_untrained(record)
    return (
        findings.finding(
            record,
            Severity.ERROR if certain else Severity.WARNING,
            (),
            since_step=int(curve.steps[0]),
            until_step=int(curve.steps[-1]),
            observed=test_gain if learns else fall / error if error else 0.0,
            threshold=standard_errors,
            message=_message(learns, late, best),
            details=_details(learns, best, fall, error),
            evidence=_evidence(record, curve, fall, error),
            cause=_ratios_over_depth(record),
            remedies=_remedies(record, learns=learns),
        ),
    )


def _evidence(record: RunRecord, curve: LossCurve, fall: float, error: float) -> Evidence:
    return findings.evidence(
        record,
        n=len(curve.loss),
        steps=(int(curve.steps[0]), int(curve.steps[-1])),
        interval=(fall - 2 * error, fall + 2 * error),
        interval_meaning="fall of the loss, 2 standard errors to either side",
    )


def _remedies(record: RunRecord, *, learns: bool) -> tuple[Remedy, ...]:
    """More steps first where few were made; labels are in doubt where more would show nothing."""
    labels, rates = Remedy(Action.CHECK_LABELS), Remedy(Action.TRY_LEARNING_RATES)
    done = record.outcome.steps_done
    if learns or done >= FEW_STEPS:
        return (labels, rates)
    settings = () if is_user_model(record) else (("training.steps", FEW_STEPS),)
    return (Remedy(Action.TRAIN_LONGER, settings), rates, labels)


def _message(learns: bool, late: float, best: float) -> str:
    """What the loss does; a network that `learns` does so for its training samples alone."""
    if learns:
        return (
            f"The network learns nothing that holds: its loss of {late:.3g} is hardly below a "
            f"constant answer's {best:.3g}."
        )
    if math.isfinite(best):
        return (
            f"The network does not learn: its loss of {late:.3g} is not clearly below a constant "
            f"answer's {best:.3g}."
        )
    return f"The network does not learn: its loss stays at {late:.3g}."


def _details(learns: bool, best: float, fall: float, error: float) -> str:
    if learns:
        return "On the test set it is right by chance only."
    quarter = "third" if math.isfinite(best) else "first"
    return (
        f"Since the {quarter} quarter of the steps it fell by no more than its noise "
        f"({fall:.2g} +- {error:.2g})."
    )


def _test_gain(record: RunRecord, late: float, best: float) -> float:
    """Accuracy on the test set above naming the commonest class, in its standard errors.

    Infinite where the loss of training (below 0.9 of a constant answer's) or of the test (below it)
    says that something was learned, and where the test set does not tell.
    """
    loss = record.evaluation.get("test_loss", math.nan)
    gain, error = loss_curve.test_accuracy_gain(record)
    tells = error > 0 and late >= 0.9 * best and loss >= best
    return gain / error if tells else math.inf


def _above_chance_on_test_set(record: RunRecord, least: float = 0.05) -> bool:
    """Whether the accuracy there is above chance as `loss_curve.above_chance` has it."""
    gain, error = loss_curve.test_accuracy_gain(record)
    if math.isnan(gain):
        return False
    return gain > max(least * (1.0 - max(loss_curve.class_shares(record))), 5.0 * error)


def _started_untrained(record: RunRecord) -> bool:
    """Whether a network that stands still is one that never learned: not for one of the user's own
    without classes, which may have come trained."""
    return not is_user_model(record) or loss_curve.accuracy_is_known(record)


def _ratios_over_depth(record: RunRecord) -> str:
    """What signal and gradient do over depth, where that is worth a look."""
    profile = depth_profile(record)
    if len(profile.names) < 2:
        return ""
    signal = float(window.typical(profile.signal_relative, record.steps)[-1])
    delta = float(window.typical(profile.delta_relative, record.steps)[0])
    if not any(ratio > 0 and not 1 / UNEVEN < ratio < UNEVEN for ratio in (signal, delta)):
        return ""
    return (
        f"Between {profile.names[0]} and {profile.names[-1]} the rms of z changes by "
        f"x{signal:.2g}, and that of delta by x{delta:.2g} going back."
    )


def _moved_away(curve: LossCurve) -> bool:
    """Whether the loss is clearly elsewhere than at the first batch: by a tenth and by four of its
    present standard deviations."""
    late = curve.late
    distance = abs(float(curve.loss[0] - late.mean()))
    return distance > max(0.1 * abs(float(late.mean())), 4.0 * float(late.std()))
