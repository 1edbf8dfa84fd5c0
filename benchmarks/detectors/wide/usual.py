"""What healthy cases are held against: a usual small network on the same task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from benchmarks.detectors.case import Case
from benchmarks.detectors.wide import built, scoring
from benchmarks.detectors.wide.tasks import Task

STEPS = 100
"""Steps of its training, in batches of 32: most cases have about as many."""

PERFECT = ("spoken", "density")
"""Scores of tasks that such a network cannot be asked: a healthy case is held against 1."""


def skill(case: Case) -> float:
    """Skill of two He-ReLU layers of 64 units with Adam at 0.003, on inputs of one scale."""
    task = built.arrays(case)
    if task.score in PERFECT:
        return 1.0
    keras.utils.set_random_seed(0)
    x, x_test = (_flat(part, task.x) for part in (task.x, task.x_test))
    made = _network(x.shape[1:], task)
    mean, deviation = _scale(task)
    y = task.y if task.y.dtype.kind == "i" else (task.y - mean) / deviation
    held = replace(task, x=x, y=y.reshape(len(y), *task.y_test.shape[1:]))
    built.fit(made, held, STEPS, 32, 1)
    answer = built.answer(made, x_test)
    if task.score == "bits":
        answer = answer + 0.5 - float(task.y.mean())  # rare ones are answered by less than 0.5
    elif task.y.dtype.kind != "i":
        answer = answer * deviation + mean
    return scoring.skill(answer, task.y_test, task.score)


def _network(shape: tuple[int, ...], task: Task) -> keras.Model:
    x = first = keras.Input(shape)
    for _ in range(2):
        x = keras.layers.Dense(64, activation="relu", kernel_initializer="he_normal")(x)
    answers: tuple[int, ...] = task.y_test.shape[1:]
    loss: Any = "mse"
    if task.y.dtype.kind == "i":
        answers = (*answers, int(max(task.y.max(), task.y_test.max())) + 1)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    x = keras.layers.Dense(int(np.prod(answers)))(x)
    made = keras.Model(first, keras.layers.Reshape(answers)(x))
    made.compile(keras.optimizers.Adam(3e-3), loss)
    return made


def _scale(task: Task) -> tuple[float, float]:
    """Mean and deviation of real targets; zeros and ones are left as they are."""
    if task.score == "bits" or task.y.dtype.kind == "i":
        return 0.0, 1.0
    return float(task.y.mean()), max(float(task.y.std()), 1e-12)


def _flat(x: Any, training: Any) -> Any:
    """Vectors of one scale; words as zeros and ones."""
    if x.dtype.kind == "i":
        return np.eye(int(training.max()) + 1, dtype="float32")[x].reshape(len(x), -1)
    mean, deviation = training.mean(axis=0), training.std(axis=0) + 1e-12
    return ((x - mean) / deviation).reshape(len(x), -1).astype("float32")
