"""Models that `GradientFlow` cannot measure, refused before anything is trained."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from gradscope.errors import BadRequest


def refuse(model: Any, *, needs_optimizer: bool) -> None:
    """Say what cannot be measured, before the first step.

    A model with a `train_step` of its own may have optimizers that Keras does not know.
    """
    if keras.backend.backend() != "tensorflow":
        raise BadRequest(
            f"GradientFlow measures on Keras's TensorFlow backend, not {keras.backend.backend()}",
            "set KERAS_BACKEND=tensorflow before Keras is imported",
        )
    if (
        tf.distribute.has_strategy()
        or model.distribute_strategy is not tf.distribute.get_strategy()
    ):
        raise BadRequest(
            "GradientFlow measures one replica, and this model trains under "
            f"{type(model.distribute_strategy).__name__}",
            "build and fit the model outside of strategy.scope() to measure it",
        )
    if needs_optimizer and model.optimizer is None:
        raise BadRequest(
            f"GradientFlow: {model.name} was compiled without an optimizer",
            "compile it with one: model.compile(optimizer=..., loss=...)",
        )
