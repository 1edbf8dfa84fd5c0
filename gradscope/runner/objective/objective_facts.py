"""The loss and the optimizer in Keras's names."""

from __future__ import annotations

from typing import Any

import keras

from gradscope.catalog.losses import LOSSES
from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.record import ObjectiveInfo

_LOSS_NAMES = {loss.keras_class: name for name, loss in LOSSES.items()}
_OPTIMIZER_NAMES = {entry.keras_class: name for name, entry in OPTIMIZERS.items()}

MEAN = "sum_over_batch_size"
"""Keras's name for the mean over a batch, its default."""


_CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")
"""Keras's settings that clip gradients; an optimizer has one of them at most."""


def objective_info(loss_name: str, model: Any, optimizer: Any) -> ObjectiveInfo:
    """Name the loss (`loss_name`, or the one `model` was ``compiled`` with) and the optimizer."""
    loss, from_logits, reduction = loss_name, False, MEAN
    if loss_name == "compiled":
        loss, from_logits, reduction = _compiled(getattr(model, "loss", None))
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    epsilon = getattr(inner, "epsilon", None)
    schedule, parameters = _schedule(inner)
    momentum, frequency = _overwriting_average(inner)
    clip = next((name for name in _CLIPS if getattr(inner, name, None)), "")
    return ObjectiveInfo(
        loss=loss,
        from_logits=from_logits,
        reduction=reduction,
        optimizer=_OPTIMIZER_NAMES.get(type(inner).__name__, ""),
        epsilon=_number(epsilon),
        schedule=schedule,
        schedule_parameters=parameters,
        ema_momentum=momentum,
        ema_overwrite_frequency=frequency,
        clip=clip,
        weight_decay=_number(getattr(inner, "weight_decay", None)),
        clip_limit=float(getattr(inner, clip)) if clip else None,
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _overwriting_average(optimizer: Any) -> tuple[float | None, int | None]:
    """Momentum and distance in steps of the moving average that overwrites the weights."""
    frequency = getattr(optimizer, "ema_overwrite_frequency", None)
    if not getattr(optimizer, "use_ema", False) or not frequency:
        return None, None
    return float(optimizer.ema_momentum), int(frequency)


def _schedule(optimizer: Any) -> tuple[str, dict[str, float]]:
    """Class and numbers of the optimizer's learning rate schedule; "" where it has none."""
    try:
        rate = optimizer.get_config().get("learning_rate")
    except Exception:  # an optimizer or schedule of the user's own may have no config
        return "", {}
    if not isinstance(rate, dict):
        return "", {}
    numbers = {
        name: float(value)
        for name, value in rate.get("config", {}).items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    return str(rate.get("class_name", "")), numbers


def loss_info(loss: Any) -> ObjectiveInfo:
    """Name the loss of one of several outputs, a Keras object."""
    inner = getattr(loss, "fn", None) if type(loss).__name__ == "LossFunctionWrapper" else loss
    name, from_logits, reduction = _compiled(inner)
    return ObjectiveInfo(loss=name, from_logits=from_logits, reduction=reduction)


def _compiled(loss: Any) -> tuple[str, bool, str]:
    """Name, from_logits and reduction of a compiled loss: name, function or Keras object."""
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return "", False, MEAN
    if isinstance(loss, keras.losses.Loss):
        name = _LOSS_NAMES.get(type(loss).__name__, "")
        return name, bool(getattr(loss, "from_logits", False)), str(loss.reduction)
    name = str(getattr(loss, "__name__", ""))
    user_defined = not str(getattr(loss, "__module__", "")).startswith("keras.")
    return ("" if user_defined or name not in LOSSES else name), False, MEAN
