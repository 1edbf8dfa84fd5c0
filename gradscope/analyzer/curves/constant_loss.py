"""The loss beside that of a constant answer on the same batches: the scatter of batches cancels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.record import RunRecord


@dataclass(frozen=True)
class PairedLoss:
    """Means over `batches` batches, and the difference between them.

    `difference` is the mean of loss minus constant's loss on the same batch, `error` its standard
    error, with batches taken as independent. Penalties of layers are in the loss and not in the
    constant's.
    """

    loss: float
    constant: float
    difference: float
    error: float
    batches: int


def paired_loss(record: RunRecord) -> PairedLoss | None:
    """Compare the last quarter of the losses with the constant answer's; None where it is unknown.

    The constant was chosen with the targets at hand, so that its loss is the least that an answer
    without any input can have.
    """
    usable = (record.steps > 0) & np.isfinite(record.scalars["loss"])
    usable &= np.isfinite(record.constant_loss)
    loss, constant = record.scalars["loss"][usable], record.constant_loss[usable]
    if not loss.size:
        return None
    rows = window.last_quarter(record.steps[usable])
    loss, constant = loss[rows], constant[rows]
    difference = loss - constant
    count = len(difference)
    error = float(difference.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
    return PairedLoss(
        float(loss.mean()), float(constant.mean()), float(difference.mean()), error, count
    )
