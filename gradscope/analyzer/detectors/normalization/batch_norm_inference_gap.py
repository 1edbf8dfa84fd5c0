"""GS303: a network that is another one in inference mode."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import ratio_findings, static_findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.catalog.activations import ACTIVATIONS
from gradscope.record import Finding, LayerInfo, RunRecord
from gradscope.record.run_record import Floats

_CHANCE = 4.0
_HARMLESS = 0.1
_RIGHT = 0.2
_ARRIVED = 0.01
_REMEDY = "more steps or a smaller batch norm momentum, so that they can follow"
_HOMOGENEOUS = frozenset(name for name, entry in ACTIVATIONS.items() if entry.homogeneous)


@detector("GS303", rank=64, follows=("batch_norm_small_batch", "batch_norm_momentum"))
def batch_norm_inference_gap(
    record: RunRecord, *, threshold: float = 2.0, worse: float = 2.0, arrived: float = 0.5
) -> tuple[Finding, ...]:
    """Tell whether batch norm normalizes by other statistics in inference than in training.

    Statistic: how far the moving statistics are from the batches': the mean gap in moving standard
    deviations, or the factor between the standard deviations, whichever is larger (1 + gap and
    factor, so that 1 means agreement). The chance of a batch adds about 1 / sqrt(batch size). Only
    batch norms are judged that keep at most `arrived` (default 0.5) of their start by now, momentum
    to the power of the steps; the others are for `batch_norm_momentum`.

    Where none of them is off by itself, the factors of one layer after the other are multiplied: in
    inference mode nothing takes the factor away again that the batch norms before have left, as
    long as every activation is linear on both sides of 0 (tanh and the like squeeze it; a sum of
    branches mixes it). The moving means, made for the larger signal, keep some of it: where six
    layers multiply to 0.032, Keras's inference had 0.057. Judged are batch norms before the
    activation. Each layer's factor counts less exp(4 / batch size) to either side: a geometric mean
    over features of variances of B samples lies low by (kurtosis - 1) / (2 B) in the logarithm,
    half of it in the deviation's, and 4 is that of a kurtosis of 17 (6 of a rectified normal).

    Warning above `threshold` in at least half of the last quarter of the recorded steps; error when
    in addition the test loss, which is computed in inference mode, is above `worse` times the
    training loss of those steps, and the accuracy, where it is known, a tenth below training's.
    Error as well where training answers a fifth of the way from chance to all right, the test set,
    in inference mode, is at chance (three standard errors), and more than a hundredth of the moving
    statistics is still their start. Default of `threshold` 2: the mean is off by a standard
    deviation, or the standard deviation by a factor of two; of `worse` 2: far above what
    overfitting adds in the first epochs. Both are judgements; docs/calibration.md has what was
    measured over a corpus.
    """
    norms = static_findings.batch_norms(record)
    if not norms:
        raise NotMeasured("there is no batch norm that normalizes by the batch")
    done = record.outcome.steps_done
    indices = tuple(x.index for x in norms if float(x.momentum or 0.0) ** done <= arrived)
    if not indices:
        raise NotMeasured(f"after {done} steps the moving statistics have not arrived yet")
    found = ratio_findings.departure(record, _distance(record, indices), threshold, below=False)
    words = _of_one_layer
    if found is None or not found.spell.at_end:
        indices = _in_series(record, indices)
        found = _departure_over_depth(record, indices, threshold)
        words = _of_all_layers
    if found is None or not found.spell.at_end:
        return _by_its_answers(record, norms)
    outcome, grave = _outcome(record, worse)
    return (
        ratio_findings.finding(
            record,
            indices,
            found,
            words(record, indices, found) + outcome,
            remedy=_REMEDY,
            grave=grave,
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
    hidden = [layer for layer in record.layers if layer.role == "hidden"]
    if record.branches or any(x.activation not in _HOMOGENEOUS for x in hidden):
        return ()
    before = (x for x in hidden if x.normalization == "before_activation")
    found = {
        norm.index for x in before if (norm := static_findings.norm_behind(record, x)) is not None
    }
    return tuple(index for index in indices if index in found)


def _departure_over_depth(
    record: RunRecord, indices: tuple[int, ...], threshold: float
) -> ratio_findings.Departure | None:
    logs = _logs(record, indices)
    known = np.isfinite(logs)
    if not known.any():
        return None
    beyond = np.sign(logs) * np.maximum(np.abs(logs) - _CHANCE / record.batch_size, 0.0)
    factors = np.exp(np.abs(_over_depth(np.where(known, beyond, np.nan))))
    return ratio_findings.departure(record, factors, threshold, below=False)


def _over_depth(logs: Floats) -> Floats:
    """Their sums from the first layer to each, within what `exp` holds; NaN stays NaN."""
    sums: Floats = np.clip(np.cumsum(np.nan_to_num(logs), axis=1), -700.0, 700.0)
    return np.where(np.isnan(logs), np.nan, sums)


def _of_one_layer(
    record: RunRecord, indices: tuple[int, ...], found: ratio_findings.Departure
) -> str:
    layers = [record.layers[indices[i]].name for i in found.layers]
    return (
        f"Batch norm's moving statistics are not the batches' in {named(layers, found.layers)}: "
        f"off by {found.extreme:.2g} (1 is agreement), {found.spell.words}."
    )


def _of_all_layers(
    record: RunRecord, indices: tuple[int, ...], found: ratio_findings.Departure
) -> str:
    last = found.layers[-1]
    products = np.exp(_over_depth(_logs(record, indices))[:, last : last + 1])
    [factor] = window.geometric_mean(products[window.last(len(products))])
    return (
        "Batch norm's moving statistics are a little off in each layer, and over depth it adds up: "
        f"in inference mode the signal in {record.layers[indices[last]].name} is about "
        f"x{factor:.2g} of training's, {found.spell.words}."
    )


def _outcome(record: RunRecord, worse: float) -> tuple[str, bool]:
    """What the test loss says of it, and whether it is that much worse."""
    loss = record.scalars["loss"]
    trained = float(np.median(loss[window.last(len(loss))]))
    test = record.evaluation.get("test_loss", float("nan"))
    if not np.isfinite(test):
        return " No test figures in inference mode say whether it matters.", False
    words = f" The test loss, in inference mode, is {test:.3g}; in training it is {trained:.3g}."
    lost = loss_curve.late_accuracy(record) - record.evaluation.get("test_accuracy", float("nan"))
    return words, bool(trained > 0 and test > worse * trained) and not lost < _HARMLESS


def _by_its_answers(record: RunRecord, norms: list[LayerInfo]) -> tuple[Finding, ...]:
    """What the moving statistics do not show, and the answers do: right in training mode only."""
    left = max(float(x.momentum or 0.0) for x in norms) ** record.outcome.steps_done
    gain, error = loss_curve.gain_on_the_test_set(record)
    if left < _ARRIVED or not (loss_curve.skill(record) > _RIGHT and gain <= 3.0 * error):
        return ()
    return (
        static_findings.finding(
            record,
            "error",
            norms,
            observed=left,
            threshold=_ARRIVED,
            message=(
                "In inference mode, where batch norm uses its moving statistics, the network is "
                f"another one: {record.evaluation['test_accuracy']:.1%} of the test set are right, "
                "as by chance, and "
                f"{loss_curve.late_accuracy(record):.1%} in training. {left:.0%} of the moving "
                "statistics are still their start."
            ),
            remedy=_REMEDY,
            n=record.data.test_samples,
            phase="training",
        ),
    )
