"""What a training minimizes, towards which targets, and by which optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_CLASSES = 10_000
"""Whole numbers beyond are no class indices: nobody has an output unit for each."""


@dataclass(frozen=True)
class ObjectiveInfo:
    """The loss that is really computed and the optimizer that really steps.

    `loss` is Keras's name, ``""`` for a loss of the user's own or several; `from_logits` says
    whether it takes what a softmax or sigmoid would be fed, `reduction` is Keras's word for how it
    is taken together over a batch (``sum_over_batch_size`` is the mean). `optimizer` is Keras's
    name, ``""`` for one of the user's own; `epsilon` is its own, None where it has none.
    """

    loss: str = ""
    from_logits: bool = False
    reduction: str = ""
    optimizer: str = ""
    epsilon: float | None = None


@dataclass(frozen=True)
class TargetSummary:
    """The targets of training.

    `form` is ``indices`` (whole numbers, one per sample), ``one_hot`` or ``real``; ``""`` for
    several arrays. `shares` are the classes' relative frequencies, empty for real targets. `width`
    is the number of values per sample, `variance` that of a value about its own mean over the
    samples, averaged over the `width`.
    """

    form: str
    width: int = 0
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    shares: tuple[float, ...] = ()

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> TargetSummary:
        """The summary that `dataclasses.asdict` and JSON were made from."""
        return cls(**content | {"shares": tuple(content["shares"])})


def target_summary(y: npt.NDArray[Any], classes: int | None = None) -> TargetSummary:
    """Look at targets [sample] or [sample, ...]; `classes` is how many there are, where known."""
    if y.dtype.kind not in "fiub" or not y.size:
        return TargetSummary("")
    values = y.reshape(len(y), -1).astype(np.float64)
    width = values.shape[1]
    shares, form = _shares(y, values, classes), "real"
    if shares:
        form = "indices" if width == 1 else "one_hot"
    return TargetSummary(
        form=form,
        width=width,
        minimum=float(values.min()),
        maximum=float(values.max()),
        mean=float(values.mean()),
        variance=float(values.var(axis=0).mean()),
        shares=shares,
    )


def _shares(
    y: npt.NDArray[Any], values: npt.NDArray[np.float64], classes: int | None
) -> tuple[float, ...]:
    """Relative frequencies of the classes; () where the targets are no classes."""
    if values.shape[1] == 1:
        whole = y.dtype.kind in "iub" and 0 <= values.min() <= values.max() < MOST_CLASSES
        binary = bool(np.all((values == 0.0) | (values == 1.0)))
        if not whole and not binary:
            return ()
        counts = np.bincount(values[:, 0].astype(np.int64), minlength=classes or 2)
        return tuple(float(share) for share in counts / len(values))
    return tuple(float(share) for share in values.mean(axis=0)) if one_hot(values) else ()


def one_hot(y: npt.NDArray[Any]) -> bool:
    """Whether each row of targets [sample, class] is a single one among zeros."""
    return bool(np.all((y == 0) | (y == 1)) and np.all(y.sum(axis=1) == 1))
