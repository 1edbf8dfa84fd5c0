"""The training loss over time: what it is called, what it cannot beat, and its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer import settled, window
from gradscope.record import Evidence, LayerInfo, RunRecord
from gradscope.record.run_record import Floats, Integers

BALANCED = frozenset(["sparse_categorical_crossentropy", "categorical_crossentropy"])


@dataclass(frozen=True)
class LossCurve:
    """The finite batch losses of the training steps, from step 1 on (step 0 is the same batch).

    `first` is the median of the first twentieth, `last` that of the last quarter.
    """

    steps: Integers
    loss: Floats

    @property
    def first(self) -> float:
        """Where it began."""
        return float(np.median(self.loss[: max(1, len(self.loss) // 20)]))

    @property
    def last(self) -> float:
        """Where it is."""
        return float(np.median(self.loss[window.last(len(self.loss))]))

    def fall(self, quarter: int) -> tuple[float, float]:
        """Fall of the mean from a quarter (0 to 2) to the last one, and its standard error.

        Batches are taken as independent, which is what makes the noise of a mean.
        """
        count = len(self.loss[window.last(len(self.loss))])
        start = quarter * (len(self.loss) - count) // 3
        early, late = self.loss[start : start + count], self.loss[-count:]
        error = math.sqrt((early.var(ddof=1) + late.var(ddof=1)) / count) if count > 1 else math.inf
        return float(early.mean() - late.mean()), error


def of(record: RunRecord) -> LossCurve:
    """The loss curve of a record; empty where nothing was trained or nothing is finite."""
    loss = record.scalars["loss"]
    usable = (record.steps > 0) & np.isfinite(loss)
    return LossCurve(record.steps[usable], loss[usable])


def evidence(record: RunRecord, curve: LossCurve) -> Evidence:
    """What a finding about the last quarter of the losses rests on."""
    rows = window.last(len(curve.loss))
    steps, values = curve.steps[rows], curve.loss[rows]
    return window.evidence(record, n=int(np.size(values)), steps=steps, values=values)


def learned(record: RunRecord, share: float) -> bool:
    """Whether the loss fell below `share` of where it began, and of a constant answer's if known.

    A loss that starts above the constant predictor's falls to it by the output's biases alone.
    """
    curve = of(record)
    if not curve.loss.size:
        return False
    return curve.last < share * curve.first and not curve.last >= share * constant_predictor(record)


def travelled(record: RunRecord) -> float:
    """Sum of the update ratios of the layer that moved most; steps not recorded count alike."""
    columns = list(record.indices("hidden", "output"))
    update = record.series["update_ratio"][:, columns]
    update = np.where(np.isfinite(update), update, 0.0)
    rows = max(1, int(np.count_nonzero(record.steps > 0)))
    return float(update.sum(axis=0).max(initial=0.0)) * record.outcome.steps_done / rows


def outputs(record: RunRecord) -> list[LayerInfo]:
    """The output layers."""
    return [layer for layer in record.layers if layer.role == "output"]


def loss_name(record: RunRecord) -> str:
    """Keras's name of the loss; "" where only the user's compiled model knows it."""
    name = str(record.config["training"].get("loss", "auto"))
    if name != "auto":
        return name
    if settled.of_user(record):
        return ""
    ends = outputs(record)
    activation = ends[-1].activation if ends else None
    if record.data.task == "classification" and activation == "softmax":
        return "sparse_categorical_crossentropy"
    if record.data.task == "classification" and activation == "sigmoid":
        return "binary_crossentropy"
    return "mean_squared_error"


def constant_predictor(record: RunRecord) -> float:
    """Loss of the best constant on balanced classes, in nats; NaN where it is not known.

    Cross-entropy over C classes: ln C. Binary cross-entropy of one unit: ln 2.
    """
    name, ends = loss_name(record), outputs(record)
    if record.data.classes and name in BALANCED:
        return math.log(record.data.classes)
    if record.data.classes == 2 and name == "binary_crossentropy" and ends[-1].units == 1:
        return math.log(2.0)
    return math.nan
