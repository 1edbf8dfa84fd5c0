"""From a declared case to a compiled Keras model and its arrays; no line of gradscope's is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from benchmarks.detectors.case import Case
from benchmarks.detectors.wide import scoring, tasks
from benchmarks.detectors.wide.networks import NETWORKS
from benchmarks.detectors.wide.objectives import objective
from benchmarks.detectors.wide.parts import Parts

Settings = Mapping[str, Any]


class OwnLoss(keras.Model):  # type: ignore[misc]
    """A model whose loss is a method of its own; it is compiled with an optimizer only."""

    objective: Any = None

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The mean of the objective over the batch, and what layers add."""
        own = keras.losses.get(self.objective)
        total = keras.ops.mean(own(y, y_pred))
        return total + sum(self.losses) if self.losses else total


def arrays(case: Case) -> tasks.Task:
    """The arrays of a case."""
    settings = case.arguments
    return tasks.made(settings["task"], settings.get("inputs", {}), settings.get("targets", {}))


def model(case: Case, task: tasks.Task) -> keras.Model:
    """The compiled model of a case, from its seed."""
    keras.utils.set_random_seed(case.settled_seed())
    settings = case.arguments
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(settings.get("policy", "float32"))
    try:
        parts = Parts(settings["network"], _outputs(task))
        first, last = NETWORKS[settings["network"]["name"]](parts, task.x.shape[1:])
        made = (OwnLoss if settings.get("compute_loss") else keras.Model)(first, last)
    finally:
        keras.config.set_dtype_policy(before)
    _freeze(made, settings.get("frozen", ""))
    loss = objective(settings["loss"], settings.get("objective", {}))
    if settings.get("compute_loss"):
        made.objective = loss
        made.compile(optimizer=_optimizer(settings))
    else:
        made.compile(optimizer=_optimizer(settings), loss=loss)
    if settings.get("frozen") == "after":
        made.trainable = False
    return made


def _outputs(task: tasks.Task) -> int:
    if task.y.dtype.kind == "i":
        return int(max(task.y.max(), task.y_test.max())) + 1
    return 1 if task.y.ndim == 1 else int(task.y.shape[-1])


def _freeze(made: keras.Model, what: str) -> None:
    """`all` layers, the `body` without the head, or the `first` half of the layers."""
    weighted = [layer for layer in made.layers if layer.weights]
    frozen = {
        "all": weighted,
        "body": weighted[:-1],
        "first": weighted[: len(weighted) // 2],
    }.get(what, [])
    for layer in frozen:
        layer.trainable = False


def _optimizer(settings: Settings) -> keras.optimizers.Optimizer:
    spec = dict(settings["optimizer"])
    kind = getattr(keras.optimizers, spec.pop("name"))
    rate = float(spec.pop("learning_rate")) * float(settings.get("rate_times", 1.0))
    if settings.get("schedule"):
        schedule = dict(settings["schedule"])
        course = getattr(keras.optimizers.schedules, schedule.pop("name"))
        warm = {"warmup_target": rate} if "warmup_steps" in schedule else {}
        return kind(course(0.0 if warm else rate, **warm, **schedule), **spec)
    return kind(rate, **spec)


def skill(case: Case) -> float:
    """Train a case with Keras's `fit` and score its answer."""
    task = arrays(case)
    made = model(case, task)
    fit(made, task, case.training["steps"], case.training["batch_size"], case.settled_seed())
    return scoring.skill(answer(made, task.x_test), task.y_test, task.score)


def answer(made: keras.Model, x: Any) -> Any:
    """What the model answers in inference mode."""
    return keras.ops.convert_to_numpy(keras.ops.cast(made(x, training=False), "float32"))


def fit(made: keras.Model, task: tasks.Task, steps: int, batch: int, seed: int) -> None:
    """Train for so many steps with Keras's `fit`; batches are drawn by numpy."""
    rng = np.random.default_rng(seed)
    needed = steps * batch
    passes = -(-needed // len(task.x))
    rows = np.concatenate([rng.permutation(len(task.x)) for _ in range(passes)])[:needed]
    made.fit(task.x[rows], task.y[rows], batch_size=batch, epochs=1, shuffle=False, verbose=0)
