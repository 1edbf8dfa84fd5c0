"""GS501: NaN or Inf somewhere in the step."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import causes
from gradscope.record import Finding, RunRecord, Severity
from gradscope.record.run_record import Floats

LARGE_UPDATE = 0.1
"""Share of a layer's size that one step changes from which it is named as the likely cause, as for
`unstable_updates`."""


@detector("GS501", rank=5, follows=("exploding_signal", "exploding_gradient"))
def non_finite(record: RunRecord, *, max_count: float = 0) -> tuple[Finding, ...]:
    """Tell where and when NaN or Inf appeared first.

    What it measures:
        The number of non-finite values per layer, apart for the forward pass (z, a), the backward
        pass (delta, gradients) and the kernel after the update. The first step that has any is
        named with the pass that came first in it: forward in depth order, else backward from the
        last layer, else the update.
    Error when:
        There are more than the threshold at any step, or the loss is not finite.
    Not judged when:
        No step was recorded.
    Thresholds:
        max_count = 0: the values that are allowed; a non-finite weight never recovers.
    Why it matters:
        Everything that is computed from such a value is lost.
    What to do:
        Look at the layer and the pass that are named. Lower the learning rate if an update brought
        it about; check the data if it is there before any update.
    Source:
        IEEE 754: operations on NaN give NaN.
    """
    total = np.nan_to_num(record.series["nonfinite_count"], nan=0.0)
    if not len(record.steps):
        raise NotMeasured("no step was recorded")
    rows = np.flatnonzero(total.sum(axis=1) > max_count)
    lost_loss = np.flatnonzero(~np.isfinite(record.scalars["loss"]))
    if not rows.size and not lost_loss.size:
        return ()
    row = int(min([*rows[:1], *lost_loss[:1]]))
    forward = np.nan_to_num(record.series["nonfinite_forward_count"][row], nan=0.0)
    backward = np.nan_to_num(record.series["nonfinite_backward_count"][row], nan=0.0)
    index, phase = _first(forward, backward, total[row])
    layer = record.layers[index] if index is not None else None
    count = int(total[row].sum()) or 1  # the loss itself
    where = f"in the {phase} of {layer.name}" if layer else "in the loss"
    step = int(record.steps[row])
    before = record.scalars["loss"][:row]
    finite = before[np.isfinite(before)]
    loss_before = f" The loss before it was {finite[-1]:.3g}." if finite.size else ""
    return (
        findings.finding(
            record,
            Severity.ERROR,
            [layer] if layer else (),
            since_step=step,
            observed=count,
            threshold=max_count,
            message=f"NaN or Inf appeared at step {step}, first {where}.",
            details=f"Values that are not finite there: {count}.{loss_before}",
            evidence=findings.evidence(record, n=count, steps=(step,)),
            cause=_cause(record, row),
            remedies=(
                (causes.lower_learning_rate(record),) if step else causes.smallest_change(record)
            ),
        ),
    )


def _cause(record: RunRecord, row: int) -> str:
    """What the updates did just before: overflow is the end of a growth that can be seen."""
    if record.steps[row] == 0:
        return "It is there before any update: the data or the initialisation bring it."
    return causes.largest_update(record, row, LARGE_UPDATE)


def _first(forward: Floats, backward: Floats, total: Floats) -> tuple[int | None, str]:
    """Which layer and which part of the step came first: data flows forward, then back."""
    if forward.any():
        return int(np.flatnonzero(forward)[0]), "forward pass"
    if backward.any():
        return int(np.flatnonzero(backward)[-1]), "backward pass"
    if total.any():
        return int(np.flatnonzero(total)[0]), "update"
    return None, "loss"
