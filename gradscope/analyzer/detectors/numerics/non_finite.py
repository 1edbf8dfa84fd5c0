"""GS501: NaN or Inf somewhere in the step."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import findings, nonfinite_cause
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Finding, LayerInfo, RunRecord, Severity
from gradscope.record.nonfinite_origin import OriginPlace
from gradscope.record.run_record import Floats


@detector("GS501", rank=5, follows=("exploding_signal", "exploding_gradient"))
def non_finite(record: RunRecord, *, max_count: float = 0) -> tuple[Finding, ...]:
    """Tell where and when NaN or Inf appeared first.

    What it measures:
        The number of non-finite values per layer, apart for the forward pass (z, a), the backward
        pass (delta, gradients) and the kernel after the update. The first step that has any is
        named with the pass that came first in it: forward in depth order, else backward from the
        last layer, else the update. After training the batch of that step is computed once more
        with the weights from before it, operation by operation: the first operation whose result
        is not finite although its arguments are is the cause, and the layer that makes it is named.
    Error when:
        There are more than the threshold at any step, or the loss is not finite. Or the trained
        network's loss over the probe set is not, as where some samples alone are at the edge of an
        operation's domain and no batch of the recorded steps had one.
    Not judged when:
        No step was recorded.
    Thresholds:
        max_count = 0: the values that are allowed; a non-finite weight never recovers.
    Why it matters:
        Everything that is computed from such a value is lost.
    What to do:
        Keep the operation that is named away from the edge of its domain: sqrt and log from 0, a
        divisor from 0, exp from large arguments, float16 from 65,504. Lower the learning rate if a
        large update came before.
    Source:
        IEEE 754: operations on NaN give NaN.
    """
    total = np.nan_to_num(record.series["nonfinite_count"], nan=0.0)
    if not len(record.steps):
        raise NotMeasured("no step was recorded")
    rows = np.flatnonzero(total.sum(axis=1) > max_count)
    lost_loss = np.flatnonzero(~np.isfinite(record.scalars["loss"]))
    if not rows.size and not lost_loss.size:
        return _lost_answers(record, max_count)
    row = int(min([*rows[:1], *lost_loss[:1]]))
    forward = np.nan_to_num(record.series["nonfinite_forward_count"][row], nan=0.0)
    backward = np.nan_to_num(record.series["nonfinite_backward_count"][row], nan=0.0)
    layer, where = _place(record, row, forward, backward)
    count = int(total[row].sum()) or 1  # the loss itself
    step = int(record.steps[row])
    before = record.scalars["loss"][:row]
    finite = before[np.isfinite(before)]
    loss_before = f" The loss before it was {finite[-1]:.3g}." if finite.size else ""
    cause = nonfinite_cause.cause(record, row)
    return (
        findings.finding(
            record,
            Severity.ERROR,
            [layer] if layer else (),
            since_step=step,
            observed=count,
            threshold=max_count,
            message=f"NaN or Inf appeared {_moment(record, row)}, first {where}.",
            details=f"Values that are not finite there: {count}.{loss_before}",
            evidence=findings.evidence(record, n=count, steps=(step,)),
            cause=cause.sentence,
            cause_details=cause.details,
            remedies=cause.remedies,
        ),
    )


def _lost_answers(record: RunRecord, max_count: float) -> tuple[Finding, ...]:
    """Answers to the probe set, after training, whose loss is not finite."""
    answers = record.answers
    if answers is None:
        return ()
    modes = {"training": answers.training_loss, "inference": answers.inference_loss}
    lost = [mode for mode, loss in modes.items() if not math.isfinite(loss)]
    if not lost:
        return ()
    step = int(record.steps[-1])
    return (
        findings.finding(
            record,
            Severity.ERROR,
            (),
            since_step=step,
            observed=1.0,
            threshold=max_count,
            message=f"NaN or Inf appears after step {step}, in the answers to the probe set.",
            details=(
                f"Every recorded step is finite; over these {answers.samples} samples the loss in "
                f"{' and '.join(lost)} mode is not."
            ),
            evidence=findings.evidence(record, n=1, batch_size=answers.samples, steps=(step,)),
        ),
    )


def _moment(record: RunRecord, row: int) -> str:
    """When the values were lost; a range of steps where those before it were not measured."""
    step, origin = int(record.steps[row]), record.nonfinite_origin
    located = origin is not None and origin.place not in (OriginPlace.WEIGHTS, OriginPlace.UNKNOWN)
    if located or not row or record.steps[row - 1] >= step - 1:
        return f"at step {step}"
    return f"after step {record.steps[row - 1]} and by step {step}"


def _place(
    record: RunRecord, row: int, forward: Floats, backward: Floats
) -> tuple[LayerInfo | None, str]:
    """The layer in question, and where in the step: as located, else as the counts show."""
    origin = record.nonfinite_origin
    if origin is not None and origin.place is not OriginPlace.UNKNOWN:
        named = (layer for layer in record.layers if layer.name == origin.layer)
        return next(named, None), nonfinite_cause.place_text(origin)
    total = np.nan_to_num(record.series["nonfinite_count"][row], nan=0.0)
    index, phase = _first(forward, backward, total)
    if index is None:
        return None, "in the loss"
    layer = record.layers[index]
    return layer, f"in the {phase} of {layer.name}"


def _first(forward: Floats, backward: Floats, total: Floats) -> tuple[int | None, str]:
    """Which layer and which part of the step came first: data flows forward, then back."""
    if forward.any():
        return int(np.flatnonzero(forward)[0]), "forward pass"
    if backward.any():
        return int(np.flatnonzero(backward)[-1]), "backward pass"
    if total.any():
        return int(np.flatnonzero(total)[0]), "update"
    return None, "loss"
