"""What the test set says of a trained network."""

from __future__ import annotations

import math
import sys

from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.loss_course import LossCourse
from gradscope.record import RunRecord

LEARNED = 0.9
"""Loss of training over a constant answer's below which something was learned, right or by heart.
A judgement, as for `stuck`."""

HALF = 0.5
"""Share of what was gained over a constant answer in training that has to hold on the test set. Of
the corpus's networks with a target of their own, repaired twins keep 0.86 and more, those whose
targets belong to other samples nothing. A judgement."""

UNEVEN = 2.0
"""Share of the commonest class over that of even classes from which the test set, whose shares are
not recorded, may have another chance level. A judgement."""


def gain_in_errors(record: RunRecord, course: LossCourse) -> float:
    """Accuracy on the test set above naming the commonest class, in its standard errors.

    Where right answers are not counted: what the loss there is below that of the constant answer
    on the same samples, or, where that was not measured, on those of training. Infinite where the
    loss of the test (below a constant answer's) says that something was learned, where the test set
    does not tell, and where inference mode itself loses the answers.
    """
    loss = record.evaluation.get("test_loss", math.nan)
    if math.isfinite(record.evaluation.get("test_excess_error", math.nan)):
        return math.inf if _inference_loses(record, course) else _paired_gain(record, course)
    if not loss >= course.best or _inference_loses(record, course):
        return math.inf
    gain, error = loss_curve.test_accuracy_gain(record)
    if error > 0:
        uneven = by_heart(course) and _uneven(record)
        return math.inf if uneven else gain / error
    return _loss_gain(record, loss, course.best)


def _uneven(record: RunRecord) -> bool:
    """Whether one class is common, so that chance depends on how common it is in the test set.

    Answers that are learned by heart are then right more often than one in the number of classes,
    and less often than the commonest class of training is.
    """
    shares = loss_curve.class_shares(record)
    return max(shares) > UNEVEN / len(shares)


def only_by_chance(record: RunRecord) -> bool:
    """Whether nothing that was learned holds on the test set, as `not_learning` has it."""
    curve = loss_curve.training_curve(record)
    if len(curve.loss) < 4:
        return False
    return gain_in_errors(record, LossCourse.from_record(record, curve, 2.0)) <= 3.0


def by_heart(course: LossCourse) -> bool:
    """Whether the loss of training is below a constant answer's, by more than chance gives."""
    return course.late < LEARNED * course.best


def above_chance(record: RunRecord, least: float = 0.05) -> bool:
    """Whether the accuracy there is above chance as `loss_curve.above_chance` has it."""
    gain, error = loss_curve.test_accuracy_gain(record)
    if math.isnan(gain):
        return False
    return gain > max(least * (1.0 - max(loss_curve.class_shares(record))), 5.0 * error)


def _loss_gain(record: RunRecord, loss: float, constant: float) -> float:
    """What a test loss is below a constant answer's, over the standard error of that.

    The square of a normal error, which scatters more than other losses, has a relative standard
    error of sqrt(2 / n) over n samples, its size one of sqrt((pi / 2 - 1) / n). Below minus three
    the constant is better for certain: a loss that is only as large as the constant's may be that
    of few samples or of noise.
    """
    samples = record.data.test_samples
    if samples < loss_curve.MIN_TEST_SAMPLES or not constant > 0:
        return math.inf
    size = loss_curve.loss_name(record) == "mean_absolute_error"
    gain = (1.0 - loss / constant) / math.sqrt((math.pi / 2 - 1 if size else 2.0) / samples)
    return gain if gain < -3.0 else math.inf


def _paired_gain(record: RunRecord, course: LossCourse) -> float:
    """The same where the constant answer was tried on the same samples: their scatter cancels.

    Finite where on the test set the network is no better than the constant answer, and, by three
    standard errors, less than half as much better as on samples of training: of few samples, or
    where a target can be known in small part only, both could be chance.
    """
    excess = record.evaluation["test_excess"]
    error = max(record.evaluation["test_excess_error"], sys.float_info.min)
    answers = record.answers
    trained = course.late if answers is None else answers.inference_loss
    gained = loss_curve.constant_of_answers(record) - trained
    enough = record.data.test_samples >= loss_curve.MIN_TEST_SAMPLES
    lost = excess >= 0.0 and excess + HALF * gained >= 3.0 * error
    return -excess / error if enough and lost else math.inf


def constant_on_test_set(record: RunRecord) -> float:
    """The constant answer's loss on the test set; NaN where it was not measured.

    With the penalties of layers, as the test loss has them.
    """
    known = record.evaluation
    return known.get("test_loss", math.nan) - known.get("test_excess", math.nan)


def _inference_loses(record: RunRecord, course: LossCourse) -> bool:
    """Whether samples of the training data, too, are not answered in inference mode.

    Batch norm does that where its moving statistics have not arrived: the test set then tells
    nothing of what was learned. Asked only where something was.
    """
    if not by_heart(course):
        return False
    answers = record.answers
    return answers is None or not answers.inference_loss < LEARNED * course.best
