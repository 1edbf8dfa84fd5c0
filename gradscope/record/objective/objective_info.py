"""The loss, the targets and the optimizer of a training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_CLASSES = 10_000
"""Larger whole numbers are not class indices: no network has that many output units."""


_BLOCK = 2**20
"""Values that are taken together in float64."""


@dataclass(frozen=True)
class ObjectiveInfo:
    """The loss that is computed and the optimizer that makes the steps.

    `loss` is Keras's name, ``""`` for a custom loss or several; `from_logits` says whether it takes
    the input of a softmax or sigmoid, `reduction` is Keras's name of how it reduces a batch
    (``sum_over_batch_size`` is the mean). `optimizer` is Keras's name, ``""`` for a custom one;
    `epsilon` is the optimizer's, None where it has none. `schedule` is the class of the learning
    rate's schedule with its numbers, ``""`` where the rate is a number. `ema_momentum` is that of
    the moving average that overwrites the weights every `ema_overwrite_frequency` steps, None where
    none does in training. `clip` is Keras's name of what clips gradients (``clipnorm``,
    ``clipvalue``, ``global_clipnorm``), "" where nothing does, and `clip_limit` to what.
    `weight_decay` is the optimizer's, which takes the learning rate times it of each weight a step.
    `one_of_several` says that the same training step takes gradients of other losses too: as a
    generator and its discriminator train against each other, such a loss need not fall.
    """

    loss: str = ""
    from_logits: bool = False
    reduction: str = ""
    optimizer: str = ""
    epsilon: float | None = None
    schedule: str = ""
    schedule_parameters: dict[str, float] = field(default_factory=dict)
    one_of_several: bool = False
    ema_momentum: float | None = None
    ema_overwrite_frequency: int | None = None
    clip: str = ""
    clip_limit: float | None = None
    weight_decay: float | None = None


@dataclass(frozen=True)
class TargetSummary:
    """The targets of training.

    `form` is ``indices`` (whole numbers, one per sample), ``one_hot`` or ``real``; ``""`` for
    several arrays. `shares` are the classes' relative frequencies, empty for real targets. `width`
    is the number of values per sample, `variance` that of a value about its own mean over the
    samples, averaged over the `width`. `samples` is the number of samples that were read, `zeros`
    the share of values that are exactly 0; 0 and None in records of earlier versions.
    """

    form: str
    width: int = 0
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    shares: tuple[float, ...] = ()
    samples: int = 0
    zeros: float | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> TargetSummary:
        """The summary that `dataclasses.asdict` and JSON were made from."""
        return cls(**content | {"shares": tuple(content["shares"])})


def class_labels(y: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], int] | None:
    """Class index of every sample and the number of classes; None where targets are not classes.

    Keras casts targets to the dtype of the predictions, so 0.0 and 1.0 give the same loss as 0 and
    1: one value per sample is a class where all values are 0 or 1, whatever their dtype. Other
    whole numbers are classes in an integer dtype only, since such floats may be the targets of a
    regression. Several values per sample are classes where each row is one-hot.
    """
    if y.dtype.kind not in "fiub" or not y.size:
        return None
    values = y.reshape(len(y), -1)
    if values.shape[1] > 1:
        return (values.argmax(axis=1), values.shape[1]) if _one_hot(values) else None
    indices = y.dtype.kind in "iub" and 0 <= values.min() <= values.max() < MOST_CLASSES
    if not indices and not _zeros_and_ones(values):
        return None
    labels = values[:, 0].astype(np.int64)
    return labels, max(2, int(labels.max()) + 1)


def are_classes(y: npt.NDArray[Any]) -> bool:
    """Tell whether targets are meant as classes: all integers, and what `class_labels` takes.

    Integers that `class_labels` refuses are labels with a mistake, which a check can name.
    """
    return y.dtype.kind in "biu" or class_labels(y) is not None


def _one_hot(values: npt.NDArray[Any]) -> bool:
    return _zeros_and_ones(values) and bool(np.all(values.sum(axis=1) == 1))


def _zeros_and_ones(values: npt.NDArray[Any]) -> bool:
    return bool(np.all((values == 0) | (values == 1)))


def target_summary(y: npt.NDArray[Any], classes: int | None = None) -> TargetSummary:
    """Summarize targets [sample] or [sample, ...]; `classes` is their number, where known."""
    if y.dtype.kind not in "fiub" or not y.size:
        return TargetSummary("")
    values = y.reshape(len(y), -1)
    width, form = values.shape[1], "real"
    shares: tuple[float, ...] = ()
    labels = class_labels(y)
    if labels is not None:
        form = "indices" if width == 1 else "one_hot"
        counts = np.bincount(labels[0], minlength=classes or labels[1])
        shares = tuple(float(share) for share in counts / len(values))
    mean, variance = _moments(values)
    return TargetSummary(
        form=form,
        width=width,
        minimum=float(values.min()),
        maximum=float(values.max()),
        mean=mean,
        variance=variance,
        shares=shares,
        samples=len(values),
        zeros=1.0 - float(np.count_nonzero(values)) / values.size,
    )


def _moments(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Mean, and variance within the columns, in float64 without a copy of all values."""
    rows = max(1, _BLOCK // values.shape[1])
    blocks = [values[start : start + rows] for start in range(0, len(values), rows)]
    column_means = sum(block.sum(axis=0, dtype=np.float64) for block in blocks) / len(values)
    squares = sum(float(np.sum((block - column_means) ** 2)) for block in blocks)
    return float(np.mean(column_means)), squares / values.size
