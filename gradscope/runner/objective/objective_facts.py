"""What Keras knows of the loss and the optimizer, in its own names."""

from __future__ import annotations

from typing import Any

import keras

from gradscope.catalog.losses import LOSSES
from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.record import ObjectiveInfo

_LOSS_NAMES = {loss.keras_class: name for name, loss in LOSSES.items()}
_OPTIMIZER_NAMES = {entry.keras_class: name for name, entry in OPTIMIZERS.items()}

MEAN = "sum_over_batch_size"
"""Keras's word for the mean over a batch, its default."""


def objective_info(loss_name: str, model: Any, optimizer: Any) -> ObjectiveInfo:
    """Name the loss (`loss_name`, or the one `model` was ``compiled`` with) and the optimizer."""
    loss, from_logits, reduction = loss_name, False, MEAN
    if loss_name == "compiled":
        loss, from_logits, reduction = _compiled(getattr(model, "loss", None))
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    epsilon = getattr(inner, "epsilon", None)
    return ObjectiveInfo(
        loss=loss,
        from_logits=from_logits,
        reduction=reduction,
        optimizer=_OPTIMIZER_NAMES.get(type(inner).__name__, ""),
        epsilon=float(epsilon) if isinstance(epsilon, (int, float)) else None,
    )


def _compiled(given: Any) -> tuple[str, bool, str]:
    """Name, from_logits and reduction of a compiled loss: name, function or object of Keras's."""
    if isinstance(given, str):
        try:
            given = keras.losses.get(given)
        except ValueError:
            return "", False, MEAN
    if isinstance(given, keras.losses.Loss):
        name = _LOSS_NAMES.get(type(given).__name__, "")
        return name, bool(getattr(given, "from_logits", False)), str(given.reduction)
    name = str(getattr(given, "__name__", ""))
    own = not str(getattr(given, "__module__", "")).startswith("keras.")
    return ("" if own or name not in LOSSES else name), False, MEAN
