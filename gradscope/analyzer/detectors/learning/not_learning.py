"""GS602: a loss that does not fall."""

from __future__ import annotations

import math
from dataclasses import replace

from gradscope.analyzer import static_findings
from gradscope.analyzer.curves import depth_profile, loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity
from gradscope.record.run_record import Floats

CAUSES = (
    "output_mismatch",
    "unscaled_input",
    "symmetric_units",
    "non_finite",
    "selu_conditions",
    "batch_norm_small_batch",
    "exploding_signal",
    "vanishing_signal",
    "saturated_units",
    "dead_units",
    "unstable_updates",
    "diverging_loss",
    "oscillating_loss",
    "cut_gradient",
    "batch_norm_explosion",
    "exploding_gradient",
    "vanishing_gradient",
    "vanishing_through_time",
    "optimizer_epsilon",
    "collapsed_representation",
    "initializer_mismatch",
    "underflow",
    "frozen_layers",
)
"""Whatever keeps a network from learning, root first."""

UNEVEN = 30.0
"""Ratio over depth from which it is mentioned beside a loss that stands still."""


@detector("GS602", rank=80, follows=CAUSES)
def not_learning(
    record: RunRecord,
    *,
    errors: float = 3.0,
    constant: float = 0.95,
    moved: float = 0.05,
    least: float = 0.01,
    fewest: float = 50,
    seen: float = 0.1,
) -> tuple[Finding, ...]:
    """Tell whether training gets anywhere, judged by the loss's own noise.

    Statistic: the last quarter's mean loss over that of the best constant predictor (the classes'
    entropy, ln C where they are balanced; the variance of real targets), and its fall since the
    third quarter of the recorded steps, in standard errors of that difference. Where no constant is
    known, its fall since the first quarter.

    Error when the loss fell by less than `errors` standard errors (default 3: by chance once in
    700) or by less than `least` of it (default 0.01: a hundred such quarters to get anywhere), and
    is not below `constant` (default 0.95) of the constant predictor's: what it fell by before, it
    owes to the biases of the output. An accuracy above the commonest class's share, by a twentieth
    of the way to all right and by five standard errors, is learning too, in training or on the test
    set: a penalty on the weights may outweigh the loss. Not judged where `errors` standard errors
    are more than `seen` (default 0.1) of the loss, as on batches of few samples: a fall that size
    per quarter, which is learning, would not have shown. Error as well when the loss falls, but not
    below 0.9 of a constant answer's, and the test set shows nothing of it: a test loss above a
    constant answer's and an accuracy within three standard errors of chance, as where labels belong
    to other samples. Where neither a constant nor an accuracy is known, warning for a model of the
    user's own, which may have come trained. Nothing is said before `fewest` (default 50) recorded
    steps, or while no layer's updates add up to `moved` (default 0.05) of its weights and the loss
    is where it began: a tiny learning rate is no fault, it only takes longer. The consequence of
    whatever else is found; docs/calibration.md says how it fared.
    """
    curve = loss_curve.of(record)
    if len(curve.loss) < fewest:
        raise NotMeasured(f"{len(curve.loss)} recorded steps are too few to tell a fall from noise")
    travelled = loss_curve.travelled(record)
    if not travelled >= moved and not _left(curve.loss):
        raise NotMeasured(
            f"updates added up to {travelled:.2g} of the weights: too little to see a difference"
        )
    best = loss_curve.constant_predictor(record)
    fall, error = curve.fall(2 if math.isfinite(best) else 0)
    late = float(curve.loss[window.last(len(curve.loss))].mean())
    falls = fall > max(errors * error, least * late) or late < constant * best
    learns = falls or loss_curve.above_chance(record) or _above_chance_on_the_test_set(record)
    if not learns and errors * error > seen * abs(late):
        raise NotMeasured(
            f"the loss of {late:.3g} scatters too much from batch to batch: only a fall by "
            f"{errors * error:.2g} in a quarter of the steps would have shown"
        )
    right = _right_on_the_test_set(record, late, best)
    if learns and not right <= errors:
        return ()
    return (
        Finding(
            severity=Severity.ERROR if math.isfinite(best) or _known(record) else Severity.WARNING,
            layers=(),
            since_step=int(curve.steps[0]),
            until_step=int(curve.steps[-1]),
            observed=right if learns else fall / error if error else 0.0,
            threshold=errors,
            message=_by_heart(late, best) if learns else _standing(late, best, fall, error),
            evidence=replace(
                window.evidence(record, n=len(curve.loss), steps=curve.steps, values=curve.loss),
                interval=(fall - 2 * error, fall + 2 * error),
                interval_meaning="fall of the loss, 2 standard errors to either side",
            ),
            cause=_flow(record),
            remedies=(Remedy(Action.CHECK_LABELS), Remedy(Action.TRY_LEARNING_RATES)),
        ),
    )


def _by_heart(late: float, best: float) -> str:
    return (
        f"The network learns nothing that holds: its loss of {late:.3g} is hardly below a constant "
        f"answer's {best:.3g}, and on the test set it is right by chance only."
    )


def _standing(late: float, best: float, fall: float, error: float) -> str:
    known = math.isfinite(best)
    beside = f"; a constant answer has {best:.3g}" if known else ""
    return (
        f"The network does not learn: its loss of {late:.3g} is not below that of the "
        f"{'third' if known else 'first'} quarter of the steps by more than its noise "
        f"({fall:.2g} +- {error:.2g}){beside}."
    )


def _right_on_the_test_set(record: RunRecord, late: float, best: float) -> float:
    """Accuracy on the test set above naming the commonest class, in its standard errors.

    Infinite where the loss of training (below 0.9 of a constant answer's) or of the test (below it)
    says that something was learnt, and where the test set does not tell.
    """
    loss = record.evaluation.get("test_loss", math.nan)
    gain, error = loss_curve.gain_on_the_test_set(record)
    told = error > 0 and late >= 0.9 * best and loss >= best
    return gain / error if told else math.inf


def _above_chance_on_the_test_set(record: RunRecord, least: float = 0.05) -> bool:
    """Whether the accuracy there is above chance as `loss_curve.above_chance` has it."""
    gain, error = loss_curve.gain_on_the_test_set(record)
    if math.isnan(gain):
        return False
    return gain > max(least * (1.0 - max(loss_curve.shares(record))), 5.0 * error)


def _known(record: RunRecord) -> bool:
    """Whether a network that stands still is one that never learned: not for one of the user's own
    without classes, which may have come trained."""
    return not static_findings.of_user(record) or loss_curve.counted(record)


def _flow(record: RunRecord) -> str:
    """What signal and gradient do over depth, where that is worth a look."""
    profile = depth_profile.of(record)
    if len(profile.names) < 2:
        return ""
    signal = float(window.typical(profile.signal_relative)[-1])
    delta = float(window.typical(profile.delta_relative)[0])
    if not any(ratio > 0 and not 1 / UNEVEN < ratio < UNEVEN for ratio in (signal, delta)):
        return ""
    return (
        f"Between {profile.names[0]} and {profile.names[-1]} the rms of z changes by "
        f"x{signal:.2g}, and that of delta by x{delta:.2g} going back."
    )


def _left(loss: Floats) -> bool:
    """Whether the loss is clearly elsewhere than at the first batch: by a tenth and by four of its
    present standard deviations."""
    late = loss[window.last(len(loss))]
    distance = abs(float(loss[0] - late.mean()))
    return distance > max(0.1 * abs(float(late.mean())), 4.0 * float(late.std()))
