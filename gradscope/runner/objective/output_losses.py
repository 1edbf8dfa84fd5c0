"""The losses of a model's outputs, each by itself: Keras computes them on the way to their sum."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import tensorflow as tf

from gradscope.record import ObjectiveInfo
from gradscope.runner.objective.objective import Objective, fitting_accuracy
from gradscope.runner.objective.objective_facts import loss_info
from gradscope.runner.runtime.attribute_patch import patched_attribute


@dataclass(frozen=True)
class OutputPart:
    """One output with a loss: its `position` among the outputs, and its objective alone."""

    name: str
    position: int
    info: ObjectiveInfo
    objective: Objective


@dataclass
class RecordedLosses:
    """The losses of the outputs as they were computed with the last sum of them."""

    parts: tuple[OutputPart, ...]
    calls: list[tuple[Any, Any, Any]] = field(default_factory=list)

    def figures(self) -> list[Any]:
        """`OUTPUT_SCALARS` of each output, float64 scalars one after the other."""
        values = []
        for part, (y, answers, loss) in zip(self.parts, self.calls, strict=True):
            values.append(tf.reduce_mean(tf.cast(loss, tf.float64)))
            values.append(part.objective.accuracy(y, answers))
        return values


class OutputLosses:
    """The losses of the outputs of a model that was compiled with several, by Keras's own calls.

    `y` are the targets of one eager batch. There are no `parts` before `find`, nor where the model
    has one output, a `compute_loss` of its own, or targets that Keras cannot match with its
    outputs. An output whose factor in `loss_weights` is 0 is not trained and is none of them.
    """

    def __init__(self, model: Any, y: Any) -> None:
        self._model, self._y = model, y
        self._outputs: Any = None
        self._used: list[int] = []
        self.parts: tuple[OutputPart, ...] = ()

    def find(self, outputs: Any) -> None:
        """Find the parts, given what the model answers to the batch, as values or as symbols."""
        own = type(self._model).compute_loss is not keras.Model.compute_loss
        flat = keras.tree.flatten(outputs)
        if self._outputs is not None or len(flat) < 2 or own or self._compile_loss is None:
            return
        self._outputs = keras.tree.pack_sequence_as(outputs, list(range(len(flat))))
        # What Keras cannot match, it says itself when the loss is computed.
        with contextlib.suppress(ValueError, KeyError, TypeError, IndexError):
            if not self._compile_loss.built:
                self._build(outputs)
            self.parts = tuple(self._parts(flat))

    def split(self, y: Any, weights: Any) -> list[tuple[Any, Any]]:
        """Targets and sample weights of each part."""
        return [(target, weight) for target, _, weight in self._matched(y, weights)]

    @contextlib.contextmanager
    def recorded(self, outputs: Any) -> Iterator[RecordedLosses]:
        """Note the losses of the parts while their sum is computed for `outputs`."""
        self.find(outputs)
        kept = RecordedLosses(self.parts)
        if not self.parts:
            yield kept
            return

        def noting(loss: Any) -> Any:
            def computed(y: Any, answers: Any, weight: Any = None) -> Any:
                value = loss(y, answers, weight)
                kept.calls.append((y, answers, value))
                return value

            return computed

        losses = list(self._compile_loss._flat_losses)
        for at in self._used:
            losses[at] = losses[at]._replace(loss=noting(losses[at].loss))
        with patched_attribute(self._compile_loss, "_flat_losses", losses):
            yield kept

    @property
    def _compile_loss(self) -> Any:
        return getattr(self._model, "_compile_loss", None)

    def _build(self, outputs: Any) -> None:
        """Build Keras's loss in a trace that is never run; its metrics are not touched."""
        specs = keras.tree.map_structure(
            lambda leaf: tf.TensorSpec(leaf.shape, leaf.dtype), (self._y, outputs)
        )
        compute = tf.function(self._compile_loss.__call__, autograph=False)
        compute.get_concrete_function(*specs)

    def _parts(self, outputs: list[Any]) -> Iterator[OutputPart]:
        losses = self._compile_loss._flat_losses
        self._used = [at for at, each in enumerate(losses) if not _is_zero(each.loss_weights)]
        matched = self._matched(self._y, None)
        for at, (y, position, _) in zip(self._used, matched, strict=True):
            loss = losses[at].loss
            info = loss_info(loss)
            accuracy = fitting_accuracy(outputs[position], y)
            yield OutputPart(losses[at].name, position, info, _objective(info, loss, accuracy))

    def _matched(self, y: Any, weights: Any) -> list[tuple[Any, int, Any]]:
        """Targets, position and sample weights of each part, as Keras pairs them."""
        seen: list[tuple[Any, int, Any]] = []

        def note(target: Any, position: int, weight: Any = None) -> float:
            seen.append((target, position, weight))
            return 0.0

        losses = [each._replace(loss=note) for each in self._compile_loss._flat_losses]
        with (
            patched_attribute(self._compile_loss, "_flat_losses", losses),
            patched_attribute(self._compile_loss, "_metrics", [None] * len(losses)),
        ):
            self._compile_loss(y, self._outputs, weights)
        return [seen[at] for at in self._used]


def with_output_losses(goal: Objective, model: Any, y: Any) -> Objective:
    """The objective of a compiled model, with the losses of its outputs where it has several."""
    if goal.loss_name != "compiled" or y is None:
        return goal
    return replace(goal, outputs=OutputLosses(model, y))


@contextlib.contextmanager
def recorded_outputs(goal: Objective, outputs: Any) -> Iterator[RecordedLosses]:
    """Note the losses of several outputs while ``goal.loss`` is computed; none for one output."""
    if goal.outputs is None:
        yield RecordedLosses(())
        return
    with goal.outputs.recorded(outputs) as recorded:
        yield recorded


def parts_of(goal: Objective) -> tuple[OutputPart, ...]:
    """The outputs of an objective whose losses are measured by themselves."""
    parts: tuple[OutputPart, ...] = goal.outputs.parts if goal.outputs is not None else ()
    return parts


def _is_zero(weight: Any) -> bool:
    return isinstance(weight, (int, float)) and weight == 0


def _objective(info: ObjectiveInfo, loss: Any, accuracy: Any) -> Objective:
    def computed(model: Any, y: Any, answers: Any, weights: Any) -> Any:
        return loss(y, answers, weights)

    return Objective(
        info.loss,
        lambda labels: labels,
        lambda model, x, y, answers, weights: computed(model, y, answers, weights),
        accuracy,
        computed,
    )
