"""GS303: batch norm normalizes differently in inference than in training."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import departures, findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.curves.lost_answers import LostAnswers, lost_answers
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.network import batch_norms, next_normalization
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.catalog.activations import ACTIVATIONS
from gradscope.record import (
    Action,
    Finding,
    LayerInfo,
    Normalization,
    Remedy,
    Role,
    RunRecord,
    Severity,
)
from gradscope.record.run_record import Floats

_CHANCE = 4.0
"""Logarithm of a layer's factor, times the batch size, that chance accounts for: a geometric mean
over features of variances of B samples lies low by (kurtosis - 1) / (2 B) in the logarithm, half of
it in the deviation's, and 4 is that of a kurtosis of 17 (6 of a rectified normal)."""

_ACCURACY_LOSS = 0.1
"""Accuracy lost from training to the test set below which a larger test loss does no harm."""

_SKILL = 0.2
"""Way from chance to all right that training has to have gone for its answers to count."""

_REMAINING = 0.01
"""Share of the moving statistics' start below which they have arrived."""

_EARLY = 0.1
"""Share of the start that is left above which a usual momentum has not had the steps to arrive: 230
of them at Keras's 0.99."""

KERAS_DEFAULT = 0.99

_HOMOGENEOUS = frozenset(name for name, entry in ACTIVATIONS.items() if entry.homogeneous)
"""Activations that hand on a factor: linear on both sides of 0."""

_REMEDIES = (Remedy(Action.TRAIN_LONGER), Remedy(Action.LOWER_MOMENTUM))


@detector(
    "GS303",
    rank=64,
    follows=("batch_norm_small_batch", "batch_norm_momentum"),
    in_training=False,
)
def batch_norm_inference_gap(
    record: RunRecord,
    *,
    threshold: float = 2.0,
    max_test_loss_ratio: float = 2.0,
    max_initial_share: float = 0.5,
    max_lost_accuracy: float = 0.1,
    max_lost_share: float = 0.25,
) -> tuple[Finding, ...]:
    """Tell whether batch norm normalizes by other statistics in inference than in training.

    What it measures:
        What the answers lose in inference mode: accuracy and loss over the probe set after
        training, in both modes, where they are known; else the test set's. And how far the moving
        statistics are from the batches': the mean gap in moving standard deviations, or the factor
        between the standard deviations, whichever is larger (1 + gap and factor, so that 1 means
        agreement). The chance of a batch adds about 1 / sqrt(batch size). Where no batch norm is
        off by itself, the factors of one layer after the other are multiplied: in inference mode
        nothing takes away the factor that the batch norms before have left, as long as every
        activation is linear on both sides of 0 (tanh and the like squeeze it; a sum of branches
        mixes it). The moving means, made for the larger signal, keep some of it: where six layers
        multiply to 0.032, Keras's inference had 0.057. Judged there are batch norms before the
        activation; each factor counts less exp(4 / batch size) to either side.
    Error when:
        The distance is above the threshold as for a warning, the test loss, which is computed in
        inference mode, is above `max_test_loss_ratio` times the training loss, and the accuracy,
        where it is known, is a tenth below training's. Or training answers a fifth of the way from
        chance to all right, the test set is at chance (three standard errors), and more than a
        hundredth of the moving statistics is still their start. Where the probe set was passed in
        both modes, that alone decides: the accuracy falls by more than `max_lost_accuracy`, or,
        where there is none, the loss rises above `max_test_loss_ratio` times training's and by more
        than `max_lost_share` of what it is below a constant prediction's.
    Warning when:
        The distance is above the threshold in at least half of the last quarter of the recorded
        steps. Or the answers are lost, and a momentum of at most Keras's 0.99 has left more than a
        tenth of the start in the moving statistics: they arrive with more steps.
    Not judged when:
        No batch norm normalizes by the batch, or the answers are not known and each keeps more than
        `max_initial_share` of its start; those are for `batch_norm_momentum`.
    Thresholds:
        threshold = 2: the distance: the mean is off by a standard deviation, or the standard
            deviation by a factor of two. A judgement; docs/calibration.md has the rates over a
            corpus.
        max_test_loss_ratio = 2: the test loss over the training loss, far above what overfitting
            adds in the first epochs. A judgement as well.
        max_initial_share = 0.5: momentum to the power of the steps, the share of the start that is
            left.
        max_lost_accuracy = 0.1: the accuracy of training mode minus that of inference mode. A
            judgement: dropout and the scatter of batches make training mode the worse one.
        max_lost_share = 0.25: the rise of the loss over the constant prediction's less training's.
            A judgement.
    Why it matters:
        The trained network gives other answers when it is used than it gave in training.
    What to do:
        Train longer, or lower the momentum, so that the moving statistics follow.
    Source:
        Ioffe & Szegedy 2015, section 3.1; Ioffe 2017 (batch renormalization).
    """
    norms = batch_norms(record)
    if not norms:
        raise NotMeasured("there is no batch norm that normalizes by the batch")
    lost = lost_answers(record, max_lost_accuracy, max_test_loss_ratio, max_lost_share)
    if lost and record.answers is not None:
        return _by_answers(record, norms, lost, record.answers.samples)
    steps = record.outcome.steps_done
    indices = tuple(
        layer.index for layer in norms if float(layer.momentum or 0.0) ** steps <= max_initial_share
    )
    if not indices and lost is not None:
        return ()
    if not indices:
        raise NotMeasured(f"after {steps} steps the moving statistics have not arrived yet")
    distance = _distance(record, indices)
    departure = departures.find_departure(record, distance, threshold, below=False)
    if departure is not None and departure.occurrence.at_end:
        message, details = _message_of_layers(record, indices, departure)
    else:
        indices = _in_series(record, indices)
        departure = _departure_over_depth(record, indices, threshold)
        if departure is None or not departure.occurrence.at_end:
            return _by_test_answers(record, norms)
        message, details = _message_over_depth(record, indices, departure)
    outcome, grave = _outcome(record, max_test_loss_ratio)
    return (
        departures.departure_finding(
            record,
            indices,
            departure,
            message,
            details=details + outcome,
            remedies=_REMEDIES,
            at_most_warning=not grave,
        ),
    )


def _distance(record: RunRecord, indices: tuple[int, ...]) -> Floats:
    gap = 1.0 + record.series["batch_norm_mean_gap"][:, list(indices)]
    distance: Floats = np.fmax(gap, np.exp(np.abs(_logs(record, indices))))
    return np.where(np.isfinite(distance), distance, np.nan)


def _logs(record: RunRecord, indices: tuple[int, ...]) -> Floats:
    """ln of batch over moving standard deviation, [step, layer]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: Floats = 0.5 * np.log(record.series["batch_norm_variance_ratio"][:, list(indices)])
    return logs


def _in_series(record: RunRecord, indices: tuple[int, ...]) -> tuple[int, ...]:
    """Those of the batch norms whose factors multiply; none where a layer is in the way."""
    hidden = [layer for layer in record.layers if layer.role == Role.HIDDEN]
    if record.branches or any(x.activation not in _HOMOGENEOUS for x in hidden):
        return ()
    before = (x for x in hidden if x.normalization == Normalization.BEFORE_ACTIVATION)
    norms = {norm.index for x in before if (norm := next_normalization(record, x)) is not None}
    return tuple(index for index in indices if index in norms)


def _departure_over_depth(
    record: RunRecord, indices: tuple[int, ...], threshold: float
) -> departures.Departure | None:
    logs = _logs(record, indices)
    measured = np.isfinite(logs)
    if not measured.any():
        return None
    beyond = np.sign(logs) * np.maximum(np.abs(logs) - _CHANCE / record.batch_size, 0.0)
    factors = np.exp(np.abs(_over_depth(np.where(measured, beyond, np.nan))))
    return departures.find_departure(record, factors, threshold, below=False)


def _over_depth(logs: Floats) -> Floats:
    """Their sums from the first layer to each, within what `exp` holds; NaN stays NaN."""
    sums: Floats = np.clip(np.cumsum(np.nan_to_num(logs), axis=1), -700.0, 700.0)
    return np.where(np.isnan(logs), np.nan, sums)


def _message_of_layers(
    record: RunRecord, indices: tuple[int, ...], departure: departures.Departure
) -> tuple[str, str]:
    names = [record.layers[indices[i]].name for i in departure.layers]
    return (
        "Batch norm's moving statistics are not the batches' in "
        f"{layer_names(names, departure.layers)}: off by {departure.extreme:.2g}.",
        f"Agreement is 1; so it is {departure.occurrence.text}.",
    )


def _message_over_depth(
    record: RunRecord, indices: tuple[int, ...], departure: departures.Departure
) -> tuple[str, str]:
    last = departure.layers[-1]
    products = np.exp(_over_depth(_logs(record, indices))[:, last : last + 1])
    [factor] = window.geometric_mean(products[window.last_quarter(record.steps)])
    return (
        f"In inference mode the signal in {record.layers[indices[last]].name} is about "
        f"x{factor:.2g} of training's.",
        "Batch norm's moving statistics are a little off in each layer, and over depth it adds up, "
        f"{departure.occurrence.text}.",
    )


def _outcome(record: RunRecord, max_test_loss_ratio: float) -> tuple[str, bool]:
    """What the answers or the test loss say of it, and whether it is that much worse."""
    loss = record.scalars["loss"]
    trained = float(np.median(loss[window.last_quarter(record.steps)]))
    test = record.evaluation.get("test_loss", float("nan"))
    if not np.isfinite(test):
        return " No test figures in inference mode say whether it matters.", False
    answers = record.answers
    if answers is not None:
        after, before = f"{answers.inference_loss:.3g}", f"{answers.training_loss:.3g}"
        return f" Over the probe set the loss is {after}, {before} in training mode.", False
    text = f" The test loss, in inference mode, is {test:.3g}; in training it is {trained:.3g}."
    lost = loss_curve.late_accuracy(record) - record.evaluation.get("test_accuracy", float("nan"))
    worse = trained > 0 and test > max_test_loss_ratio * trained
    return text, bool(worse) and not lost < _ACCURACY_LOSS


def _left(record: RunRecord, norms: list[LayerInfo]) -> float:
    """Share of the start that the slowest moving statistics still have."""
    return max(float(x.momentum or 0.0) for x in norms) ** record.outcome.steps_done


def _by_answers(
    record: RunRecord, norms: list[LayerInfo], lost: LostAnswers, samples: int
) -> tuple[Finding, ...]:
    """What the same samples lose when they pass in inference mode."""
    steps, left = record.outcome.steps_done, _left(record, norms)
    slowest = max(float(layer.momentum or 0.0) for layer in norms)
    usual = slowest <= KERAS_DEFAULT
    after, before = f"the loss is {lost.inference:.3g}", f"{lost.training:.3g}"
    if lost.by_accuracy:
        after, before = f"{lost.inference:.1%} of the answers are right", f"{lost.training:.1%}"
    cause = (
        f"The batch norm momentum is {slowest:g}: after {steps} steps {left:.0%} of the moving "
        "statistics are still their start."
    )
    return (
        findings.finding(
            record,
            Severity.WARNING if usual and left > _EARLY else Severity.ERROR,
            norms,
            since_step=steps,
            observed=lost.observed,
            threshold=lost.limit,
            message=f"In inference mode {after}, in training mode {before}.",
            details=f"Both are over the same {samples} samples, under the same weights.",
            cause=cause if left > _REMAINING else "",
            remedies=_REMEDIES if usual else _REMEDIES[::-1],
            evidence=findings.evidence(record, n=samples, phase="both modes", steps=(steps,)),
        ),
    )


def _by_test_answers(record: RunRecord, norms: list[LayerInfo]) -> tuple[Finding, ...]:
    """What the moving statistics do not show, and the answers do: right in training mode only."""
    left = _left(record, norms)
    if record.answers is not None:
        return ()
    gain, error = loss_curve.test_accuracy_gain(record)
    if left < _REMAINING or not (loss_curve.skill(record) > _SKILL and gain <= 3.0 * error):
        return ()
    return (
        findings.finding(
            record,
            Severity.ERROR,
            norms,
            observed=left,
            threshold=_REMAINING,
            message=(
                "In inference mode the network answers as by chance: "
                f"{record.evaluation['test_accuracy']:.1%} of the test set are right, "
                f"{loss_curve.late_accuracy(record):.1%} in training."
            ),
            details=f"{left:.0%} of batch norm's moving statistics are still their start.",
            remedies=_REMEDIES,
            evidence=findings.evidence(record, n=record.data.test_samples),
        ),
    )
