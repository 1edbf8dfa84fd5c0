"""`gradscope.watch`: the measurements of a run inside a training loop that the user wrote."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from gradscope.errors import BadRequest
from gradscope.integrations.fit import cadence
from gradscope.integrations.fit.cadence import checked_counts
from gradscope.integrations.fit.description import FitOptions
from gradscope.integrations.fit.own_train_step import TrainStepFit
from gradscope.integrations.fit.progress import ProfileReports, profile_folders, write_into
from gradscope.record import OutcomeStatus, RunRecord
from gradscope.runner.sources import factory
from gradscope.runner.train_step import own_steps
from gradscope.runner.train_step.gradient_calls import watched_functions
from gradscope.runner.train_step.trace import NoGradient


@dataclass
class _Steps:
    """One function of the loop, or the losses: how often it was called, what was measured of it."""

    training: TrainStepFit
    done: int = 0
    lost_at: int = 0
    no_gradient: bool = False


@dataclass
class _Watched:
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    failed: bool = False
    steps: dict[Any, _Steps] = field(default_factory=dict)


def watch(
    model: Any,
    *,
    loss: Any = None,
    every: int | None = None,
    output: str | Path | None = None,
    detectors: Mapping[str, Any] | None = None,
    name: str = "loop",
) -> WatchedLoop:
    """Measure a training loop of your own, without `model.fit`.

    ``with gradscope.watch(model) as flow:`` around the loop measures the steps of every function in
    it that is a ``tf.function`` and takes a gradient of what `model` trains, as they are called.
    Where the loop has no such function, ``flow.step(x, y)`` inside it measures the step that comes
    next on this batch: by ``loss=fn``, with ``fn(model, batch)`` a number, or by a dict of such
    functions by the name of what they train; without `loss`, by the model's own `train_step` or
    its compiled loss. Nothing that the loop trains changes by a bit.

    `model` is a Keras model, or a dict of several: ``{"generator": g, "discriminator": d}``. The
    steps that are measured, `every`, `output`, `detectors` and `name` are as for `GradientFlow`.
    """
    if not all(isinstance(m, keras.Model) for m in _models(model)) or not _models(model):
        raise BadRequest(
            f"watch(model): expected a Keras model, or a dict of them, received "
            f"{factory.describe(model)}",
            'as in watch({"generator": generator, "discriminator": discriminator})',
        )
    losses = None if loss is None else own_steps.checked_losses(loss, "watch")
    distance = None if every is None else checked_counts("every", [every])[0]
    options = FitOptions(name, distance, detectors or {})
    options.config(steps=1, batch_size=1, jit=False)  # refuses wrong thresholds at once
    return WatchedLoop(model, losses, options, None if output is None else Path(output))


class WatchedLoop(ProfileReports):
    """What `watch` gives: the records of a loop, and `step` to measure one step of it."""

    def __init__(
        self,
        model: Any,
        losses: Mapping[str, own_steps.Loss] | None,
        options: FitOptions,
        output: Path | None,
    ) -> None:
        self._model, self._losses = model, losses
        self._options, self._output = options, output
        self._watched = _Watched()
        self._functions = watched_functions(self._called)

    def __enter__(self) -> Self:
        self._watched = _Watched()
        self._functions = watched_functions(self._called)
        self._functions.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._functions.__exit__(None, None, None)
        self._watched.seconds = time.monotonic() - self._watched.started
        self._watched.failed = kind is not None
        if self._output is not None and kind is None and self._measured():
            records = self.records
            for place, record in zip(
                profile_folders(self._output, records), records.values(), strict=True
            ):
                write_into(place, record, record_only=False)

    def step(self, *batch: Any) -> None:
        """Measure the step that the loop makes on this batch next: ``flow.step(x, y)``."""
        tensors = keras.tree.map_structure(_tensor, batch)
        self._count(None, self._given_step, tensors if len(batch) > 1 else tensors[0])

    def _given_step(self) -> TrainStepFit:
        model, losses = self._model, self._losses
        if losses is None and isinstance(model, keras.Model):
            if own_steps.has_own_train_step(model):
                subject = f"the train_step of {model.name}"
                return TrainStepFit(model, lambda parts: own_steps.train_step_of(model), subject)
            losses = {"": own_steps.compiled_loss} if getattr(model, "compiled", False) else None
        if losses is None:
            raise BadRequest(
                "watch(...).step(...): no loss is known, as the model was not compiled",
                "give it: gradscope.watch(model, loss=fn), where fn(model, batch) returns a number",
            )
        given = losses
        return TrainStepFit(
            model,
            lambda parts: own_steps.step_of_losses(model, parts, given),
            "the loss given to watch",
        )

    def _called(self, function: Any, code: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Measure a call of a `tf.function` that is made next."""
        leaves = tf.nest.flatten((args, kwargs))
        places = [at for at, leaf in enumerate(leaves) if _is_data(leaf)]
        if not places:
            return

        def step(batch: Any) -> Any:
            filled = list(leaves)
            for at, tensor in zip(places, batch, strict=True):
                filled[at] = tensor
            arguments, options = tf.nest.pack_sequence_as((args, kwargs), filled)
            return code(*arguments, **options)

        def training() -> TrainStepFit:
            name = getattr(function, "__name__", "the function")
            return TrainStepFit(self._model, lambda parts: step, name)

        self._count(id(function), training, tuple(_tensor(leaves[at]) for at in places))

    def _count(self, key: Any, make: Callable[[], TrainStepFit], batch: Any) -> None:
        """Count one step, and measure it where it is one of those that are measured."""
        if key not in self._watched.steps:
            self._watched.steps[key] = _Steps(make())
        steps = self._watched.steps[key]
        steps.done += 1
        wanted = cadence.is_measured(steps.done, self._options.every)
        if steps.no_gradient or steps.lost_at or not wanted:
            return
        try:
            if not steps.training.measure(steps.done, batch, last=False):
                steps.lost_at = steps.done
        except NoGradient:
            if key is None:
                raise
            steps.no_gradient = True

    def _measured(self) -> list[_Steps]:
        return [steps for steps in self._watched.steps.values() if steps.training.measured]

    @property
    def records(self) -> dict[str, RunRecord]:
        """One record for each gradient that the loop takes, by the name of what it trains."""
        measured = self._measured()
        if not measured:
            raise BadRequest(
                "watch has measured nothing: no tf.function in the loop took a gradient of what "
                "the model trains",
                "call flow.step(x, y) in the loop, with gradscope.watch(model, loss=fn)",
            )
        watched = self._watched
        records: dict[str, RunRecord] = {}
        seconds = watched.seconds or time.monotonic() - watched.started
        for steps in measured:
            made = steps.training.records(
                self._options,
                self._outcome(steps),
                steps=steps.done,
                seconds=seconds,
                untrained=True,
                several=len(measured) > 1,
            )
            for name, record in made.items():
                repeats = sum(key == name or key.startswith(f"{name}-") for key in records)
                records[f"{name}-{repeats + 1}" if repeats else name] = record
        return records

    def _outcome(self, steps: _Steps) -> tuple[int, OutcomeStatus, str]:
        done = steps.done
        if steps.lost_at:
            sentence = f"a non-finite value appeared by step {steps.lost_at} of {done}"
            return done, OutcomeStatus.DIVERGED, sentence
        if self._watched.seconds is None or self._watched.failed:
            return done, OutcomeStatus.PARTIAL, f"the loop has not come to its end at step {done}"
        return done, OutcomeStatus.COMPLETE, f"{done} steps"


def _models(model: Any) -> list[Any]:
    return list(model.values()) if isinstance(model, Mapping) else [model]


def _is_data(leaf: Any) -> bool:
    return tf.is_tensor(leaf) or isinstance(leaf, np.ndarray)


def _tensor(leaf: Any) -> Any:
    return None if leaf is None else tf.convert_to_tensor(leaf)
