"""GS602: a loss that does not fall."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.curves.constant_loss import paired_loss
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.curves.loss_curve import LossCurve
from gradscope.analyzer.curves.training_amount import TrainingAmount, still_falls, training_amount
from gradscope.analyzer.detectors import EVERY_EARLIER, detector
from gradscope.analyzer.network import is_user_model
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Evidence, Finding, Remedy, RunRecord, Severity
from gradscope.record.run_record import Floats

UNEVEN = 30.0
"""Ratio over depth from which it is mentioned beside a loss that stands still."""

LITTLE = 0.25
"""Way from chance to all right up to which an accuracy is little, beside a loss that is no better
than a constant answer's. Chosen on a softmax that is taken twice: it has 0.1 after 300 steps, where
its repaired twin has 0.9."""

SETTLES = 1.05
"""Loss over a constant answer's below which a falling loss only settles there: the biases of the
output take it so far, whatever the layers before them do. A judgement, chosen on runs of labels
that belong to other samples, which end at 1.01 to 1.03."""


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
    min_error_steps: float = 100,
    enough_steps: float = 300,
    min_epochs: float = 1.0,
    min_samples_per_class: float = 30,
    max_end_growth: float = 2.0,
) -> tuple[Finding, ...]:
    """Tell whether training gets anywhere, judged by the loss's own noise.

    What it measures:
        The mean loss of the last quarter over that of the best constant prediction (the entropy of
        the classes, ln C where they are balanced; the variance of real targets), and its fall since
        the third quarter of the recorded steps, in standard errors of that difference. Where no
        constant is known, its fall since the first quarter. Where the loss over the probe set after
        training is known, it stands in the place of the last quarter's. It is the consequence of
        any other finding about training.
    Error when:
        The loss fell by less than `standard_errors` or by less than `min_relative_fall`, and is not
        below `max_constant_ratio`: what it fell by before, it owes to the biases of the output. An
        accuracy above the commonest class's share, by a twentieth of the way to all right and by
        five standard errors, is learning too, in training or on the test set: a penalty on the
        weights may outweigh the loss. Error as well when the loss falls, but not below 0.9 of a
        constant prediction's, and the test set shows nothing of it: a test loss above a constant
        prediction's and an accuracy within `standard_errors` of chance, as where labels belong to
        other samples. And when the loss over the probe set after training is above
        `max_end_growth` times both the first and a constant prediction's, whatever single batches
        say.
    Warning when:
        The same holds after too little training: fewer than `min_error_steps` steps, fewer than
        `min_samples_per_class` samples shown of each class, or fewer than `enough_steps` steps that
        are less than `min_epochs` passes over the data, or of unknown length. Or the loss still
        falls from quarter to quarter and is above a constant prediction's by a twentieth. Or the
        network learns little: its loss is not below `max_constant_ratio`, and yet it is below the
        constant's on the same batches by `standard_errors` and by `min_relative_fall`, or the
        accuracy is above chance, by less than a quarter of the way. Or the model is the user's own
        and neither a constant nor an accuracy is known: it may have come trained.
    Not judged when:
        Fewer than `min_steps` losses were recorded; no layer's updates add up to
        `min_weight_change` and the loss is where it began; or the noise is above `max_noise` and
        the probe set was not passed after training.
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
        min_error_steps = 100: the steps before which nothing is certain. Chosen on published image
            models (ViT, CCT, MLP-Mixer), which stand on a plateau for 50 to 100 steps first.
        enough_steps = 300: the steps that are enough without a pass over the data: those of the
            shipped configs.
        min_epochs = 1: the passes over the training data. A parity of three bits is learned after
            0.6 of one, in its 80th step.
        min_samples_per_class = 30: the samples shown of each class. Chosen on MLP-Mixer and FNet
            with 100 classes, which know nothing yet after 20.
        max_end_growth = 2: the loss after training over the larger of the first and a constant
            prediction's, as for `diverging_loss`.
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
    if not path >= min_weight_change and not _moved_away(curve.loss):
        raise NotMeasured(
            f"updates added up to {path:.2g} of the weights: too little to see a difference"
        )
    seen = _Course.of(record, curve, max_end_growth)
    noise = standard_errors * seen.error
    falls = seen.fall > max(noise, min_relative_fall * seen.late)
    below = seen.share < max_constant_ratio
    right = loss_curve.above_chance(record) or _above_chance_on_test_set(record)
    ahead = _ahead_of_constant(record, standard_errors, min_relative_fall)
    learns = not seen.grew and (falls or below or right or ahead)
    if not learns and not seen.ended and noise > max_noise * abs(seen.late):
        raise NotMeasured(
            f"the loss of {seen.late:.3g} scatters too much from batch to batch: only a fall by "
            f"{noise:.2g} in a quarter of the steps would have shown"
        )
    test_gain, amount = _test_gain(record, seen.late, seen.best), training_amount(record)
    by_heart = learns and test_gain <= standard_errors
    little = seen.ended and not (falls or below) and not loss_curve.skill(record) > LITTLE
    if learns and not by_heart and not little:
        return ()
    early = (
        amount.steps < min_error_steps
        or amount.samples_per_class < min_samples_per_class
        or (amount.steps < enough_steps and not amount.epochs >= min_epochs)
    )
    if learns and not by_heart and early:
        return ()
    on_its_way = still_falls(curve) and not seen.share <= SETTLES and not seen.grew
    certain = not math.isnan(seen.share) or _started_untrained(record)
    grave = certain and not early and not on_its_way and (by_heart or not learns)
    little = learns and not by_heart
    rule = _Rule(by_heart, little, early, falling=on_its_way, noise=noise)
    in_errors = seen.fall / seen.error if seen.error else 0.0
    return (
        findings.finding(
            record,
            Severity.ERROR if grave else Severity.WARNING,
            (),
            since_step=int(curve.steps[0]),
            until_step=int(curve.steps[-1]),
            observed=test_gain if by_heart else min(in_errors, standard_errors * (1.0 - 1e-12)),
            threshold=standard_errors,
            message=_message(seen, rule, amount),
            details=_details(seen, rule, amount),
            evidence=_evidence(record, curve, seen),
            cause=_over_depth(record),
            remedies=_remedies(record, amount, rule, enough=int(enough_steps)),
        ),
    )


@dataclass(frozen=True)
class _Course:
    """What the loss did: its late mean, its fall with its standard error, and where it ended.

    `best` is a constant prediction's and NaN where it is not known, `level` the loss that is
    judged, `share` its `loss_curve.loss_share`, and `ended` says that it is the probe set's; `grew`
    that it ended far above the start.
    """

    late: float
    best: float
    fall: float
    error: float
    level: float
    share: float
    ended: bool
    grew: bool

    @classmethod
    def of(cls, record: RunRecord, curve: LossCurve, max_growth: float) -> _Course:
        best = loss_curve.constant_predictor(record)
        fall, error = curve.fall(2 if math.isfinite(best) else 0)
        late = float(curve.loss[window.last_quarter(len(curve.loss))].mean())
        end = loss_curve.end_loss(record)
        ended = not math.isnan(end) and math.isfinite(best)
        grew = curve.first > 0 and end > max_growth * max(curve.first, best if best > 0 else 0.0)
        level = end if ended or grew else late
        share = loss_curve.loss_share(record, level)
        return cls(late, best, fall, error, level, share, ended, grew)


@dataclass(frozen=True)
class _Rule:
    """Which rule a finding is about; `noise` is what a fall has to exceed."""

    by_heart: bool
    little: bool
    early: bool
    falling: bool
    noise: float


def _evidence(record: RunRecord, curve: LossCurve, seen: _Course) -> Evidence:
    return findings.evidence(
        record,
        n=len(curve.loss),
        steps=(int(curve.steps[0]), int(curve.steps[-1])),
        interval=(seen.fall - 2 * seen.error, seen.fall + 2 * seen.error),
        interval_meaning="fall of the loss, 2 standard errors to either side",
    )


def _remedies(
    record: RunRecord, amount: TrainingAmount, rule: _Rule, *, enough: int
) -> tuple[Remedy, ...]:
    """More steps first where few were made; labels are in doubt where more would show nothing."""
    classes = bool(loss_curve.class_shares(record))
    targets = Remedy(Action.CHECK_LABELS if classes else Action.CHECK_TARGETS)
    rates = Remedy(Action.TRY_LEARNING_RATES)
    if rule.early or rule.falling or (amount.steps < enough and not rule.by_heart):
        asked = max(enough, 2 * amount.steps)
        settings = () if is_user_model(record) else (("training.steps", asked),)
        longer = Remedy(Action.TRAIN_LONGER, settings)
        return (longer,) if rule.early or rule.falling else (longer, rates, targets)
    return (targets, rates)


def _message(seen: _Course, rule: _Rule, amount: TrainingAmount) -> str:
    """What the loss does."""
    if rule.by_heart:
        return (
            f"The network learns nothing that holds: its loss of {seen.late:.3g} is hardly below a "
            f"constant answer's {seen.best:.3g}."
        )
    if seen.grew:
        return f"The network does not learn: over the probe set its loss ends at {seen.level:.3g}."
    if not math.isfinite(seen.best):
        if seen.fall > rule.noise:
            return f"The network learns very slowly: its loss of {seen.late:.3g} hardly falls."
        return f"The network does not learn: its loss stays at {seen.late:.3g}."
    if rule.little:
        return (
            f"The network learns little: its loss of {seen.level:.3g} stands beside a constant "
            f"answer's {seen.best:.3g}."
        )
    if rule.early or rule.falling:
        return (
            f"The network has not learned in {amount.text}: its loss is not clearly below a "
            "constant answer's."
        )
    return (
        f"The network does not learn: its loss of {seen.level:.3g} is not clearly below a constant "
        f"answer's {seen.best:.3g}."
    )


def _details(seen: _Course, rule: _Rule, amount: TrainingAmount) -> str:
    """The rule that it fails, with its figures."""
    if rule.by_heart:
        return "On the test set it is right by chance only."
    quarter = "third" if math.isfinite(seen.best) else "first"
    fell = f"{seen.fall:.2g} +- {seen.error:.2g}"
    by = "no more than its noise"
    if seen.fall > rule.noise:
        by = f"{seen.fall / abs(seen.late) if seen.late else 0.0:.2%}"
    course = f"Since the {quarter} quarter of the steps it fell by {by} ({fell})."
    told = ""
    if math.isfinite(seen.best) and (rule.early or rule.falling):
        told = f"It is {seen.level:.3g} at the end, and a constant answer's {seen.best:.3g}. "
    if rule.falling:
        return f"{told}{course} It still falls from quarter to quarter."
    if rule.early:
        return f"{told}{course} That is too little training to tell."
    return f"{course} It was trained for {amount.text}."


def _test_gain(record: RunRecord, late: float, best: float) -> float:
    """Accuracy on the test set above naming the commonest class, in its standard errors.

    Infinite where the loss of training (below 0.9 of a constant answer's) or of the test (below it)
    says that something was learned, and where the test set does not tell.
    """
    loss = record.evaluation.get("test_loss", math.nan)
    gain, error = loss_curve.test_accuracy_gain(record)
    tells = error > 0 and late >= 0.9 * best and loss >= best
    return gain / error if tells else math.inf


def _ahead_of_constant(record: RunRecord, errors: float, least: float) -> bool:
    """Whether the late losses are below the constant answer's on the same batches."""
    pair = paired_loss(record)
    if pair is None:
        return False
    return -pair.difference > max(errors * pair.error, least * abs(pair.constant))


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


def _over_depth(record: RunRecord) -> str:
    """What signal and gradient do over depth: the cause of a loss that stands still, or not."""
    profile = depth_profile(record)
    if len(profile.names) < 2:
        return ""
    signal = float(window.typical(profile.signal_relative)[-1])
    delta = float(window.typical(profile.delta_relative)[0])
    if not (signal > 0 and delta > 0):
        return ""
    if all(1 / UNEVEN < ratio < UNEVEN for ratio in (signal, delta)):
        return "Signal and gradient are sound over depth."
    return (
        f"Between {profile.names[0]} and {profile.names[-1]} the rms of z changes by "
        f"x{signal:.2g}, and that of delta by x{delta:.2g} going back."
    )


def _moved_away(loss: Floats) -> bool:
    """Whether the loss is clearly elsewhere than at the first batch: by a tenth and by four of its
    present standard deviations."""
    late = loss[window.last_quarter(len(loss))]
    distance = abs(float(loss[0] - late.mean()))
    return distance > max(0.1 * abs(float(late.mean())), 4.0 * float(late.std()))
