"""The training loss over time: its name, the loss of a constant answer, and its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.analyzer.curves.constant_loss import paired_loss
from gradscope.analyzer.curves.loss_sign import has_wrong_sign
from gradscope.analyzer.network import is_user_model
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.catalog.losses import ConstantAnswer, constant_answer, default_loss
from gradscope.record import LayerInfo, Role, RunRecord
from gradscope.record.run_record import Floats, Integers

MIN_TEST_SAMPLES = 100
"""Fewest test samples for a usable accuracy: its standard error is then 0.05."""

STEPS_TO_LEARN = 50
"""Recorded steps from which a network that learned nothing is stuck, or has not recovered."""

SMALLEST_GAIN = 0.01
"""Gain over a constant answer's loss, over its size, from which something was learned where right
answers have no smaller loss, or an unknown one. A judgement, as `min_relative_fall`."""

WEIGHTED = 0.1
"""Difference from a formula, over it, from which the measured loss of a constant answer is another
one: sample or class weights are no part of the formula."""

_MEANS = frozenset(["", "sum_over_batch_size", "mean", "mean_with_sample_weight"])
"""Keras's words for a loss that is a mean over the batch."""


@dataclass(frozen=True)
class LossCurve:
    """The finite batch losses of the training steps, from step 1 on (step 0 is the same batch).

    `first` is the median of the first twentieth, `last` that of the last quarter.
    """

    steps: Integers
    loss: Floats

    @property
    def first(self) -> float:
        """Median of the first twentieth."""
        return float(np.median(self.loss[: max(1, len(self.loss) // 20)]))

    @property
    def last(self) -> float:
        """Median of the last quarter."""
        return float(np.median(self.late))

    @property
    def late(self) -> Floats:
        """The losses of the last quarter."""
        return self.loss[window.last_quarter(self.steps)]

    def fall(self, quarter: int) -> tuple[float, float]:
        """Fall of the mean from a quarter (0 to 2) to the last one, and its standard error.

        Batches are taken as independent, which is what makes the noise of a mean.
        """
        early, late = self.loss[self._early(quarter)], self.late
        if min(len(early), len(late)) < 2:
            return float(early.mean() - late.mean()), math.inf
        error = math.sqrt(early.var(ddof=1) / len(early) + late.var(ddof=1) / len(late))
        return float(early.mean() - late.mean()), error

    def falls(self, quarter: int, standard_errors: float) -> bool:
        """Whether the mean falls from a quarter (0 to 2) to the last one, beyond its noise."""
        fall, error = self.fall(quarter)
        return fall > standard_errors * error

    def _early(self, quarter: int) -> slice:
        """The rows of a quarter (0 to 2), which takes as many steps as the last one."""
        late = window.last_quarter(self.steps)
        since_first = self.steps - self.steps[0]
        length = int(self.steps[-1] - self.steps[late.start])
        latest_start = quarter * (int(since_first[-1]) - length)
        start = int(np.flatnonzero(3 * since_first <= latest_start)[-1])
        end = int(np.searchsorted(self.steps, self.steps[start] + length, "right"))
        return slice(start, max(end, start + 1))


def is_one_of_several(record: RunRecord) -> bool:
    """Whether other losses are trained in the same steps, so that this one need not fall."""
    return record.objective is not None and record.objective.one_of_several


def judged_curve(record: RunRecord) -> LossCurve:
    """The loss curve of a training whose loss should fall; raises `NotMeasured` for another."""
    if is_one_of_several(record):
        raise NotMeasured("its steps train several losses, which need not fall together")
    return training_curve(record)


def training_curve(record: RunRecord) -> LossCurve:
    """The loss curve of a record; empty where nothing was trained or nothing is finite."""
    loss = record.scalars["loss"]
    usable = (record.steps > 0) & np.isfinite(loss)
    return LossCurve(record.steps[usable], loss[usable])


def learned(record: RunRecord, share: float) -> bool:
    """Whether the loss is below `share` of a constant answer's; if not known, of where it began.

    Judged is `end_loss` where it is known, else the last quarter's.
    A loss that starts above the constant predictor's falls to it by the output's biases alone, and
    one that falls in the first steps has no high start to be seen. Where a constant answer's is not
    known and the accuracy is, that has to be above chance: a custom loss may have the wrong sign.
    Where that is known of the loss, nothing was learned.
    """
    curve, end = training_curve(record), end_loss(record)
    if not curve.loss.size or has_wrong_sign(record):
        return False
    known = not math.isnan(end)
    reached = loss_share(record, end if known else curve.last, of_answers=known)
    if not math.isnan(reached):
        return reached < share
    if _no_better_than_constant(record, end if known else curve.last, of_answers=known):
        return False  # a negative loss falls by any factor on its way there
    fell = curve.last < share * curve.first and not end > curve.first
    return fell and (not accuracy_is_known(record) or above_chance(record))


def _no_better_than_constant(record: RunRecord, level: float, *, of_answers: bool) -> bool:
    """Whether it is known that the loss is not below a constant answer's, on the same batches."""
    pair = None if of_answers else paired_loss(record)
    if pair is not None:
        return pair.difference > -SMALLEST_GAIN * abs(pair.constant)
    best = constant_of_answers(record) if of_answers else constant_predictor(record)
    return math.isfinite(best) and level > best - SMALLEST_GAIN * abs(best)


def end_loss(record: RunRecord) -> float:
    """Loss over the probe set after training, without penalties; NaN where it was not measured.

    It is that of the better mode: dropout spoils the answers of training, moving statistics that
    have not arrived those of inference, and neither says that nothing was learned. It decides where
    it is known: single batches say little of a loss that comes in spikes.
    """
    answers = record.answers
    if answers is None:
        return math.nan
    return float(np.fmin(answers.training_loss, answers.inference_loss))


def falls_in_last_quarter(record: RunRecord, standard_errors: float) -> bool:
    """Whether the loss falls from the third quarter of the steps to the last, beyond its noise."""
    curve = training_curve(record)
    return len(curve.loss) >= 4 and curve.falls(2, standard_errors)


def stuck(record: RunRecord) -> bool:
    """Whether training ran long enough and changed some layer, and the network learned nothing.

    At least `STEPS_TO_LEARN` recorded steps, whose updates add up to a twentieth of some layer's
    weights.
    """
    enough = len(training_curve(record).loss) >= STEPS_TO_LEARN
    trained = enough and path_length(record) >= 0.05
    return trained and not learns(record, 0.9)


def path_length(record: RunRecord) -> float:
    """Sum of the update ratios of the layer that moved most.

    A step counts for itself and those before it that were not recorded.
    """
    columns = list(record.indices(Role.HIDDEN, Role.OUTPUT))
    trained = record.steps > 0
    update = record.series["update_ratio"][trained][:, columns]
    update = np.where(np.isfinite(update), update, 0.0)
    represented = np.diff(record.steps[trained], prepend=0)
    total = float((update * represented[:, None]).sum(axis=0).max(initial=0.0))
    return total * record.outcome.steps_done / max(1, int(represented.sum()))


def output_layers(record: RunRecord) -> list[LayerInfo]:
    """The output layers."""
    return [layer for layer in record.layers if layer.role == Role.OUTPUT]


def loss_name(record: RunRecord) -> str:
    """Keras's name of the loss that is computed; "" for one of the user's own.

    For records that do not say it, the config's, or what it makes of the output layer.
    """
    if record.objective is not None:
        return record.objective.loss
    name = str(record.config["training"].get("loss", "auto"))
    if name != "auto":
        return name
    if is_user_model(record):
        return ""
    ends = output_layers(record)
    activation = ends[-1].activation if ends else None
    classes = record.data.task == "classification"
    return default_loss(activation, "class_index" if classes else "real")


def class_shares(record: RunRecord) -> tuple[float, ...]:
    """Relative frequencies of the classes: the targets', or even ones; () where there are none."""
    if record.data.targets is not None:
        return record.data.targets.shares
    classes = record.data.classes
    return (1.0 / classes,) * classes if classes else ()


def constant_predictor(record: RunRecord) -> float:
    """Mean loss of the best answer that is the same for every sample; NaN where it is not known.

    Cross-entropy over classes of frequency p: sum -p ln p. Binary cross-entropy: the mean over the
    units of -p ln p - (1 - p) ln(1 - p). Mean squared error: the variance of the targets.
    Entropies of a sample of the targets are corrected for its size. Of any other loss, or where
    sample weights make it another one, what was measured at the start.
    """
    by_formula, start = _constant_of_named_loss(record), record.objective_start
    if start is None or start.constant is None:
        return by_formula
    measured = start.constant.loss
    if start.constant.by_position:
        return measured
    # They differ by the sample that the constant was chosen on, or by weights.
    return by_formula if abs(measured - by_formula) <= WEIGHTED * by_formula else measured


def _constant_of_named_loss(record: RunRecord) -> float:
    """The same by formula; NaN for a loss that has none here."""
    answer, ends = constant_answer(loss_name(record)), output_layers(record)
    objective = record.objective
    if len(ends) != 1 or (objective is not None and objective.reduction not in _MEANS):
        return math.nan
    p, units = np.array(class_shares(record)), ends[0].units or 0
    if answer is ConstantAnswer.CLASS_ENTROPY and p.size and units >= p.size:
        return float(_entropy(p).sum()) + _missing_entropy(record, int(np.count_nonzero(p)))
    if answer is ConstantAnswer.UNIT_ENTROPY and p.size == 2 and units == 1:
        return float(_entropy(p).sum()) + _missing_entropy(record, int(np.count_nonzero(p)))
    if answer is ConstantAnswer.UNIT_ENTROPY and p.size and units == p.size:
        by_unit = float((_entropy(p) + _entropy(1.0 - p)).mean())
        return by_unit + _missing_entropy(record, 2)
    targets = record.data.targets
    real = answer is ConstantAnswer.VARIANCE and targets is not None and targets.form == "real"
    if real and targets is not None and targets.width == units:
        return targets.variance
    return math.nan


def constant_of_answers(record: RunRecord) -> float:
    """The constant answer's loss on the samples of `ProbeAnswers`; elsewhere, if not known there.

    Outliers among the targets are then in both losses.
    """
    answers = record.answers
    known = answers is not None and math.isfinite(answers.constant_loss)
    return answers.constant_loss if known and answers else constant_predictor(record)


def loss_share(record: RunRecord, loss: float, *, of_answers: bool = False) -> float:
    """Where `loss` stands between that of right answers (0) and a constant answer's (1).

    Right answers have the loss that was measured at the start, else 0: a cross-entropy of soft
    targets, or with label smoothing, never comes near 0, and a negative loss goes below. NaN where
    the constant's is not known or is no larger. A loss `of_answers` to the probe set is compared
    with the constant's there.
    """
    best = constant_of_answers(record) if of_answers else constant_predictor(record)
    start = record.objective_start
    right = start.values.right if start is not None and start.values is not None else None
    known = right is not None and right < best and (right >= 0.0 or best < 0.0)
    floor = right if known and right is not None else 0.0
    return (loss - floor) / (best - floor) if best > floor else math.nan


def accuracy_is_known(record: RunRecord) -> bool:
    """Whether right answers were counted and the classes' frequencies are known."""
    accuracy = record.scalars.get("accuracy", np.zeros(0))
    return bool(class_shares(record)) and bool(np.isfinite(accuracy).any())


def skill(record: RunRecord) -> float:
    """The last quarter's accuracy: 0 is what always naming the commonest class gives, 1 the best.

    NaN where right answers were not counted or there is only one class.
    """
    if not accuracy_is_known(record):
        return math.nan
    chance = max(class_shares(record))
    return (late_accuracy(record) - chance) / (1.0 - chance) if chance < 1.0 else math.nan


def above_chance(record: RunRecord, least: float = 0.05, errors: float = 5.0) -> bool:
    """Whether the last quarter's `skill` is above `least`, and above its noise.

    That is `errors` standard errors of an accuracy at chance over that many samples.
    """
    above = skill(record)
    if not above > least:
        return right_in_the_end(record, least, errors)
    chance = max(class_shares(record))
    samples = len(record.steps[window.last_quarter(record.steps)]) * record.batch_size
    return above * (1.0 - chance) > errors * _chance_error(chance, samples)


def right_in_the_end(record: RunRecord, least: float = 0.05, errors: float = 5.0) -> bool:
    """Whether `above_chance` holds of the answers to the probe set, in the better mode."""
    answers, shares = record.answers, class_shares(record)
    if answers is None or not shares or max(shares) >= 1.0:
        return False
    chance = max(shares)
    gain = float(np.fmax(answers.training_accuracy, answers.inference_accuracy)) - chance
    return gain > max(least * (1.0 - chance), errors * _chance_error(chance, answers.samples))


def test_accuracy_gain(record: RunRecord) -> tuple[float, float]:
    """Accuracy there above naming the commonest class, and the standard error of one at chance.

    NaN where the classes are not known, nothing was evaluated, or on fewer than
    `MIN_TEST_SAMPLES` samples.
    """
    p, samples = class_shares(record), record.data.test_samples
    accuracy = record.evaluation.get("test_accuracy", math.nan)
    if not p or samples < MIN_TEST_SAMPLES or not math.isfinite(accuracy):
        return math.nan, math.nan
    return accuracy - max(p), _chance_error(max(p), samples)


def _chance_error(chance: float, samples: int) -> float:
    return math.sqrt(chance * (1.0 - chance) / samples)


def learns(record: RunRecord, share: float) -> bool:
    """Whether the loss fell below `share` of the first and of a constant answer's, or the accuracy
    is above chance."""
    return learned(record, share) or above_chance(record)


def learns_well(record: RunRecord, share: float = 0.5) -> bool:
    """Whether the loss fell below `share` of the first and of a constant answer's, or the accuracy
    went more than half of the way from chance to all right."""
    return learned(record, share) or skill(record) > 0.5


def late_accuracy(record: RunRecord) -> float:
    """Mean accuracy of the training batches of the last quarter; NaN where none was counted."""
    accuracy = record.scalars["accuracy"]
    late = accuracy[window.last_quarter(record.steps)]
    return float(np.nanmean(late)) if np.isfinite(late).any() else math.nan


def _missing_entropy(record: RunRecord, classes: int) -> float:
    """What the entropy of a sample lacks on average: (classes - 1) / 2n (Miller 1955).

    0 where all targets were read, or where the record does not say how many were.
    """
    targets = record.data.targets
    if targets is None or not 0 < targets.samples < record.data.samples:
        return 0.0
    return (classes - 1) / (2.0 * targets.samples)


def _entropy(p: Floats) -> Floats:
    """-p ln p, 0 where p is 0."""
    logarithm: Floats = np.log(np.where(p > 0, p, 1.0))
    return -p * logarithm
