"""Whether a model trains itself, and training steps made of losses that the user gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from gradscope.errors import BadRequest
from gradscope.runner.sources.arrays import ArrayBatches
from gradscope.runner.train_step.gradient_calls import labelled, python_function
from gradscope.runner.train_step.trained_parts import TrainedParts

Loss = Callable[[Any, Any], Any]
"""``loss(model, batch)`` gives a number; `batch` is what `train_step` receives."""

Step = Callable[[Any], Any]
"""A training step: a function of a batch."""


def has_own_train_step(model: Any) -> bool:
    """Whether the model has a `train_step` that is not Keras's."""
    return type(model).train_step is not keras.Model.train_step or "train_step" in vars(model)


def optimizers_of(model: Any) -> list[Any]:
    """The optimizer that the model was compiled with, and those that are its attributes."""
    held = [getattr(model, "optimizer", None), *vars(model).values()]
    optimizers = {id(o): o for o in held if isinstance(o, keras.optimizers.Optimizer)}
    return list(optimizers.values())


def steps_trained(model: Any) -> int:
    """The most steps that an optimizer of the model has made."""
    return max((int(o.iterations.numpy()) for o in optimizers_of(model)), default=0)


def train_step_of(model: Any) -> Callable[[Any], Any]:
    """The Python code of a model's `train_step`, also where it is a `tf.function`."""
    return python_function(model.train_step)


@dataclass(frozen=True)
class Optimizers:
    """All optimizers of a model, which its own `train_step` may use."""

    model: Any

    @property
    def variables(self) -> list[Any]:
        """The variables of all of them."""
        return [v for optimizer in optimizers_of(self.model) for v in optimizer.variables]


def element_of(batch: Any, feed: Any) -> Any:
    """What `fit` would give to `train_step` for (inputs, targets, sample weights).

    Inputs alone come bare where they are one array or a dict, as a tuple of one where they are
    several; the elements of a dataset come as they are.
    """
    x, y, weights = batch
    element: Any = (x, y) if weights is None else (x, y, weights)
    arrays = isinstance(feed, ArrayBatches)
    if y is None and weights is None:
        element = (x,) if arrays and isinstance(x, list | tuple) else x
    return keras.tree.lists_to_tuples(element) if arrays else element


def checked_losses(loss: Any, subject: str) -> dict[str, Loss]:
    """The losses by name; "" for a single function. Raises `BadRequest` for anything else."""
    losses = loss if isinstance(loss, Mapping) else {"": loss}
    for name, function in losses.items():
        if not callable(function) or not isinstance(name, str):
            raise BadRequest(
                f"{subject}(loss=...): expected a function of (model, batch), or a dict of such "
                f"functions by the name of what they train, received {function!r}",
                'as in loss={"generator": generator_loss, "discriminator": discriminator_loss}',
            )
    if not losses:
        raise BadRequest(f"{subject}(loss={{}}): no loss was given", "name at least one")
    return dict(losses)


def compiled_loss(model: Any, batch: Any) -> Any:
    """The loss of `model.fit` on a batch (x, y) or (x, y, sample weights), by the compiled loss."""
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    return model.compute_loss(x=x, y=y, y_pred=model(x, training=True), sample_weight=weights)


def step_of_losses(
    model: Any, parts: TrainedParts, losses: Mapping[str, Loss]
) -> Callable[[Any], None]:
    """A training step that takes the gradient of each loss, and updates nothing.

    A loss named as a part of the model is differentiated by the variables of that part, any other
    by all that the model trains.
    """

    def step(batch: Any) -> None:
        for name, loss in losses.items():
            part = parts.parts.get(name)
            owners = parts.models if part is None else (part,)
            with tf.GradientTape() as tape:
                value = tf.reduce_mean(tf.convert_to_tensor(loss(model, batch)))
            variables = [v for owner in owners for v in owner.trainable_variables]
            with labelled(name):
                tape.gradient(value, variables)

    return step
