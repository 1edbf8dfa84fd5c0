"""GS602: a loss that does not fall."""

from __future__ import annotations

import math
from dataclasses import replace

from gradscope.analyzer import findings
from gradscope.analyzer.curves import held_out, loss_curve, window
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.curves.learning_rules import Limits, Rule, broken_rule
from gradscope.analyzer.curves.loss_course import LossCourse, halved, moved_away
from gradscope.analyzer.curves.loss_curve import LossCurve
from gradscope.analyzer.curves.loss_sign import bottomless, has_wrong_sign, right_above_others
from gradscope.analyzer.curves.sample_differences import alike_inputs
from gradscope.analyzer.curves.training_amount import TrainingAmount, training_amount
from gradscope.analyzer.detectors import EVERY_EARLIER, detector
from gradscope.analyzer.network import is_user_model
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Evidence, Finding, Remedy, RunRecord, Severity

UNEVEN = 30.0
"""Ratio over depth from which it is mentioned beside a loss that stands still."""

FEWEST = 4
"""Losses from which a fall can be given with its noise."""


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
        any other finding about training. Of several outputs with a loss each, every one is judged
        by its own loss and its own constant: in their sum a larger one hides the rest.
    Error when:
        The loss fell by less than `standard_errors` or by less than `min_relative_fall`, and is not
        below `max_constant_ratio`: what it fell by before, it owes to the biases of the output. An
        accuracy above the commonest class's share, by a twentieth of the way to all right and by
        five standard errors, is learning too, in training or on the test set: a penalty on the
        weights may outweigh the loss. Error as well when the loss falls and the test set shows
        nothing of it: a test loss above a constant prediction's and an accuracy within
        `standard_errors` of chance, as where labels belong to other samples and are learned by
        heart; without an accuracy, a test loss no lower than a constant prediction's on the same
        samples, where half of the gain in training would be three standard errors. When the loss
        over the probe set after training is above `max_end_growth` times both the first and a
        constant prediction's, whatever single batches say. And when the loss is larger for right
        answers than at the start, for a constant answer and for an output of 0, and training takes
        it lower: its sign is wrong. So it is where some constant answer takes it a million times
        its size at the start below 0.
    Warning when:
        The same holds after too little training: fewer than `min_error_steps` steps, fewer than
        `min_samples_per_class` samples shown of each class, less than four passes over the data
        where batches scatter by more than `max_noise` or the loss is the user's own, or fewer than
        `enough_steps` steps that are less than `min_epochs` passes over the data, or of unknown
        length. Or the loss still falls, or did so from quarter to quarter, and is above a constant
        prediction's by a twentieth. Or the network learns little: its loss is not below
        `max_constant_ratio`, and yet it is below the constant's on the same batches by
        `standard_errors` and by `min_relative_fall`, or the accuracy is above chance, by less than
        half of the way. Or the model is the user's own and neither a constant nor an accuracy is
        known: it may have come trained.
    Not judged when:
        Fewer than `min_steps` losses were recorded, the last ones are not all below half of the
        first ones, and the accuracy over the probe set is not above chance; no layer's updates add
        up to `min_weight_change` and the loss is where it began; or the noise is above `max_noise`
        and the probe set was not passed after training. Or the steps train other losses too: those
        of a generator and its discriminator need not fall together.
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
    limits = Limits(
        standard_errors,
        max_constant_ratio,
        min_weight_change,
        min_relative_fall,
        min_steps,
        max_noise,
        min_error_steps,
        enough_steps,
        min_epochs,
        min_samples_per_class,
        max_end_growth,
    )
    if not record.outputs:
        return _judged(record, limits, "The network")
    return _judged_outputs(record, limits)


def _judged_outputs(record: RunRecord, limits: Limits) -> tuple[Finding, ...]:
    """Judge the loss of each output by itself: a larger one beside it hides it in their sum."""
    made: list[Finding] = []
    skipped = []
    for output in record.outputs:
        name = output.info.name
        try:
            made += _judged(record.of_output(output), limits, f"The output {name}")
        except NotMeasured as reason:
            skipped.append(f"{name}: {reason}")
    if not skipped:
        return tuple(made)
    reasons = "; ".join(skipped)
    if not made:
        raise NotMeasured(reasons)
    return tuple(
        replace(finding, details=f"{finding.details} Not judged: {reasons}.".lstrip())
        for finding in made
    )


def _judged(record: RunRecord, limits: Limits, subject: str) -> tuple[Finding, ...]:
    """Judge one loss; `subject` is what learns by it, in a sentence."""
    curve = loss_curve.judged_curve(record)
    falls = halved(record, curve)
    if len(curve.loss) < limits.steps and (falls or loss_curve.right_in_the_end(record)):
        return ()
    inverted = len(curve.loss) >= FEWEST and has_wrong_sign(record)
    if not (inverted or falls):
        _refuse_too_little(record, curve, limits)
    course = LossCourse.from_record(record, curve, limits.end_growth)
    amount = training_amount(record)
    early = amount.is_little(
        min_steps=limits.error_steps,
        enough_steps=limits.enough_steps,
        min_epochs=limits.epochs,
        min_samples_per_class=limits.samples_per_class,
    )
    rule = Rule.INVERTED if inverted else broken_rule(record, curve, course, limits, early=early)
    if rule is None or (falls and rule not in (Rule.INVERTED, Rule.BY_HEART)):
        return ()
    return (
        findings.finding(
            record,
            _severity(record, course, rule, early=early),
            (),
            since_step=0 if inverted else int(curve.steps[0]),
            until_step=int(curve.steps[-1]),
            observed=_observed(record, course, rule, limits),
            threshold=limits.standard_errors,
            message=_message(record, course, rule, limits, amount, subject=subject),
            details=_details(record, course, rule, limits, amount),
            evidence=_evidence(record, curve, course),
            cause="" if inverted else alike_inputs(record) or _over_depth(record),
            remedies=_remedies(record, rule, amount, enough=int(limits.enough_steps)),
        ),
    )


def _refuse_too_little(record: RunRecord, curve: LossCurve, limits: Limits) -> None:
    """Raise `NotMeasured` where a fall could not have shown."""
    if len(curve.loss) < limits.steps:
        raise NotMeasured(f"{len(curve.loss)} recorded steps are too few to tell a fall from noise")
    path = loss_curve.path_length(record)
    if not path >= limits.weight_change and not moved_away(curve):
        raise NotMeasured(
            f"all updates add up to {path:.2g} of the weights, too little to see a difference"
        )


def _severity(record: RunRecord, course: LossCourse, rule: Rule, *, early: bool) -> Severity:
    """An error where nothing was learned for certain, after enough training.

    One of the user's own without a constant and without classes may have come trained.
    """
    untrained = not is_user_model(record) or loss_curve.accuracy_is_known(record)
    certain = untrained or not math.isnan(course.share) or rule is Rule.INVERTED
    early = early and rule is not Rule.INVERTED  # the loss shows it at the start
    return Severity.ERROR if certain and rule.grave and not early else Severity.WARNING


def _observed(record: RunRecord, course: LossCourse, rule: Rule, limits: Limits) -> float:
    """The figure beside the threshold, both in standard errors.

    A loss that ends far above the start may have fallen before: it is then just below.
    """
    if rule is Rule.BY_HEART:
        return held_out.gain_in_errors(record, course)
    return min(course.fall_in_errors, limits.standard_errors * (1.0 - 1e-12))


def _evidence(record: RunRecord, curve: LossCurve, course: LossCourse) -> Evidence:
    return findings.evidence(
        record,
        n=len(curve.loss),
        steps=(int(curve.steps[0]), int(curve.steps[-1])),
        interval=(course.fall - 2 * course.error, course.fall + 2 * course.error),
        interval_meaning="fall of the loss, 2 standard errors to either side",
    )


def _remedies(
    record: RunRecord, rule: Rule, amount: TrainingAmount, *, enough: int
) -> tuple[Remedy, ...]:
    """More steps first where too few were made to tell; else labels are in doubt first."""
    if rule is Rule.INVERTED:
        return (Remedy(Action.CHANGE_SIGN),)
    classes = bool(loss_curve.class_shares(record))
    targets = Remedy(Action.CHECK_LABELS if classes else Action.CHECK_TARGETS)
    if rule is Rule.BY_HEART:
        return (targets,)
    rates = Remedy(Action.TRY_LEARNING_RATES)
    not_yet = rule in (Rule.EARLY, Rule.FALLING)
    if alike_inputs(record):
        return (Remedy(Action.SCALE_ONCE),)
    if not (not_yet or amount.steps < enough):
        return (targets, rates)
    steps = max(enough, 2 * amount.steps)
    longer = Remedy(
        Action.TRAIN_LONGER, () if is_user_model(record) else (("training.steps", steps),)
    )
    return (
        (longer, targets)
        if rule is Rule.EARLY
        else (longer,)
        if not_yet
        else (targets, longer, rates)
    )


def _message(
    record: RunRecord,
    course: LossCourse,
    rule: Rule,
    limits: Limits,
    amount: TrainingAmount,
    *,
    subject: str,
) -> str:
    """What the loss does."""
    loss = "The loss" if subject == "The network" else f"The loss of{subject.removeprefix('The')}"
    beside = f"a constant answer's {course.best:.3g}"
    if rule is Rule.INVERTED:
        if right_above_others(record) is None:
            return (
                f"{loss} has no smallest value, so that no answer is right: its sign may be wrong."
            )
        return f"{loss} is smaller for wrong answers than for right ones: its sign is wrong."
    there = held_out.constant_on_test_set(record)
    if rule is Rule.BY_HEART and (held_out.by_heart(course) or math.isfinite(there)):
        kind = "by heart" if held_out.by_heart(course) else "nothing that holds"
        ended = record.evaluation["test_loss"]
        best = there if math.isfinite(there) else course.best
        text = f"on the test set its loss of {ended:.3g} is above a constant answer's {best:.3g}"
        return f"{subject} learns {kind}: {text}."
    if rule is Rule.BY_HEART:
        return (
            f"{subject} learns nothing that holds: its loss of {course.late:.3g} is hardly below "
            f"{beside}."
        )
    if course.grew:
        return f"{subject} does not learn: over the probe set its loss ends at {course.level:.3g}."
    if not math.isfinite(course.best):
        if course.fall > limits.standard_errors * course.error:
            return f"{subject} learns very slowly: its loss of {course.late:.3g} hardly falls."
        return f"{subject} does not learn: its loss stays at {course.late:.3g}."
    if rule is Rule.LITTLE:
        return f"{subject} learns little: its loss of {course.level:.3g} stands beside {beside}."
    if rule is Rule.NOTHING:
        return (
            f"{subject} does not learn: its loss of {course.level:.3g} is not clearly below "
            f"{beside}."
        )
    return (
        f"{subject} has not learned in {amount.text}: its loss is not clearly below a constant "
        "answer's."
    )


def _details(
    record: RunRecord, course: LossCourse, rule: Rule, limits: Limits, amount: TrainingAmount
) -> str:
    """The rule that it fails, with its figures."""
    if rule is Rule.INVERTED:
        return _inverted_details(record, course)
    if rule is Rule.BY_HEART:
        chance = " On the test set it is right by chance only."
        known = loss_curve.accuracy_is_known(record)
        trained = f"In training it is {course.late:.3g}." if held_out.by_heart(course) else ""
        return f"{trained}{chance if known else ''}".strip()
    by = "no more than its noise"
    if course.fall > limits.standard_errors * course.error:
        by = f"{course.fall / abs(course.late) if course.late else 0.0:.2%}"
    quarter = "third" if math.isfinite(course.best) else "first"
    sentence = (
        f"Since the {quarter} quarter of the steps it fell by {by} ({course.fall:.2g} +- "
        f"{course.error:.2g})."
    )
    if rule not in (Rule.EARLY, Rule.FALLING):
        return f"{sentence} It was trained for {amount.text}."
    if math.isfinite(course.best):
        ends = f"It is {course.level:.3g} at the end, and a constant answer's {course.best:.3g}."
        sentence = f"{ends} {sentence}"
    if rule is Rule.FALLING:
        return f"{sentence} It still falls."
    return f"{sentence} That is too little training to tell."


def _inverted_details(record: RunRecord, course: LossCourse) -> str:
    """The losses that show it."""
    values = right_above_others(record)
    if values is None:
        return (
            f"One answer that is the same for all samples takes it to {bottomless(record):.3g}; "
            f"training takes it to {course.late:.3g}."
        )
    return (
        f"On the first batch it is {values.right:.3g} for right answers and {values.start:.3g} for "
        f"those of the untrained network; training takes it to {course.late:.3g}."
    )


def _over_depth(record: RunRecord) -> str:
    """What signal and gradient do over depth: the cause of a loss that stands still, or not."""
    profile = depth_profile(record)
    if len(profile.names) < 2:
        return ""
    signal = float(window.typical(profile.signal_relative, record.steps)[-1])
    delta = float(window.typical(profile.gradient_relative, record.steps)[0])
    if not (signal > 0 and delta > 0):
        return ""
    if all(1 / UNEVEN < ratio < UNEVEN for ratio in (signal, delta)):
        return "Signal and gradient are sound over depth."
    return (
        f"Between {profile.names[0]} and {profile.names[-1]} the rms of z changes by "
        f"x{signal:.2g}, and that of delta by x{delta:.2g} going back."
    )
