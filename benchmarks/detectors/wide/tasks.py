"""Small tasks, each from a fixed seed: nearly free of noise, so that a usual network learns them.

A function gives all inputs and targets; `parts` splits them, transforms them and says how an answer
is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Generator = np.random.Generator
TEST = 200


@dataclass(frozen=True)
class Task:
    """Training and test arrays, and the score: a name of `scoring.SCORES`."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array
    score: str


def _glyphs(rng: Generator, n: int, classes: int, size: int, noise: float) -> tuple[Array, Array]:
    y = rng.integers(0, classes, n)
    drawn = rng.normal(size=(classes, size // 2, size // 2))
    templates = drawn.repeat(2, axis=1).repeat(2, axis=2)
    shift = rng.integers(-2, 3, n)
    x = np.stack(
        [np.roll(templates[label], by, axis=1) for label, by in zip(y, shift, strict=True)]
    )
    return x + noise * rng.normal(size=x.shape), y


def images(
    rng: Generator,
    n: int,
    *,
    classes: int = 4,
    size: int = 12,
    noise: float = 1.5,
    share: float = 0.0,
) -> tuple[Array, Array, str]:
    """Shifted patterns with noise; `share` makes the first class that frequent."""
    x, y = _glyphs(rng, n, classes, size, noise)
    if share:
        kept = (y == 0) | (rng.random(n) < (1.0 - share) / share / (classes - 1.0))
        kept[:TEST] = True
        x, y = x[kept], y[kept]
    return x[..., None], y, "classes"


def masks(rng: Generator, n: int, *, size: int = 16, side: int = 6) -> tuple[Array, Array, str]:
    """A bright square somewhere; the target is where."""
    y = np.zeros((n, size, size, 1))
    for mask in y:
        row, column = rng.integers(0, size - side, 2)
        mask[row : row + side, column : column + side] = 1.0
    return y + 0.6 * rng.normal(size=y.shape), y, "bits"


def words(
    rng: Generator, n: int, *, length: int = 12, words: int = 30, classes: int = 3
) -> tuple[Array, Array, str]:
    """Sequences of words; each class has five words of its own."""
    y = rng.integers(0, classes, n)
    telling = rng.integers(0, 5, (n, length)) + 5 * y[:, None]
    common = rng.integers(0, words, (n, length))
    return np.where(rng.random((n, length)) < 0.4, telling, common), y, "classes"


def series(
    rng: Generator, n: int, *, steps: int = 16, channels: int = 3, classes: int = 3
) -> tuple[Array, Array, str]:
    """Waves with noise; the class is the frequency."""
    y = rng.integers(0, classes, n)
    time = np.arange(steps)[None, :, None]
    phase = rng.uniform(0.0, 1.0, (n, 1, channels))
    wave = np.sin(2.0 * np.pi * (time * (1.0 + y)[:, None, None] / steps) + phase)
    return wave + 0.3 * rng.normal(size=wave.shape), y, "classes"


def forecast(rng: Generator, n: int, *, steps: int = 16) -> tuple[Array, Array, str]:
    """A damped wave; the target is its next value."""
    time = np.arange(steps + 1)[None, :]
    frequency, phase = rng.uniform(0.3, 0.9, (n, 1)), rng.uniform(0.0, 6.0, (n, 1))
    wave = np.sin(frequency * time + phase) + 0.05 * rng.normal(size=(n, steps + 1))
    return wave[:, :-1, None], wave[:, -1:], "values"


def latched(
    rng: Generator, n: int, *, steps: int = 40, classes: int = 3
) -> tuple[Array, Array, str]:
    """Noise after a first time step that shows the class (Bengio et al. 1994)."""
    y = rng.integers(0, classes, n)
    x = rng.normal(size=(n, steps, classes))
    x[:, 0] = 3.0 * np.eye(classes)[y]
    return x, y, "classes"


def echo(rng: Generator, n: int, *, length: int = 8, words: int = 6) -> tuple[Array, Array, str]:
    """Each target is the word before."""
    x = rng.integers(0, words, (n, length))
    y = np.concatenate([x[:, :1], x[:, :-1]], axis=1)
    return x, y, "classes"


def tags(rng: Generator, n: int, *, length: int = 10, words: int = 12) -> tuple[Array, Array, str]:
    """Each word's target is one of three kinds of word."""
    x = rng.integers(0, words, (n, length))
    return x, x % 3, "classes"


def factors(rng: Generator, n: int, *, pixels: int = 36, kept: int = 3) -> tuple[Array, Array, str]:
    """Grey values in 0..1 that three numbers explain, as their own target."""
    x = 1.0 / (1.0 + np.exp(-1.5 * rng.normal(size=(n, kept)) @ rng.normal(size=(kept, pixels))))
    return x, x.copy(), "values"


def table(
    rng: Generator, n: int, *, raw: bool = False, noise: float = 0.1, columns: int = 8
) -> tuple[Array, Array, str]:
    """A smooth function of some columns; `raw` gives them units: years, metres, dollars."""
    x = rng.normal(size=(n, columns))
    y = np.tanh(x @ rng.normal(size=(columns, 4)) / 2.0) @ rng.normal(size=(4, 1))
    y = (y - y.mean()) / y.std() + noise * rng.normal(size=y.shape)
    if raw:
        units = np.resize([12.0, 0.2, 3e4, 5.0, 80.0, 1.0, 400.0, 2.0], columns)
        x = (x + np.resize([3.0, 2.0, 2.0, 0.0], columns)) * units
    return x, y, "values"


def groups(
    rng: Generator, n: int, *, classes: int = 4, columns: int = 10, share: float = 0.0
) -> tuple[Array, Array, str]:
    """Classes of a teacher of two layers; `share` makes two classes, the second that rare."""
    x = rng.normal(size=(n, columns))
    hidden = np.tanh(x @ rng.normal(size=(columns, 6)))
    if share:
        score = hidden @ rng.normal(size=6)
        return x, (score > np.quantile(score, 1.0 - share)).astype(int), "classes"
    score = hidden @ rng.normal(size=(6, classes))
    return x, score.argmax(axis=1), "classes"


def flags(
    rng: Generator, n: int, *, columns: int = 10, labels: int = 5
) -> tuple[Array, Array, str]:
    """Several binary labels of each sample."""
    x = rng.normal(size=(n, columns))
    return x, (x @ rng.normal(size=(columns, labels)) > 0).astype(float), "bits"


def answers(rng: Generator, n: int, *, share: float = 0.5) -> tuple[Array, Array, str]:
    """One binary label, a column of its own, of a share `share` of the samples."""
    x = rng.normal(size=(n, 8))
    score = x @ rng.normal(size=8) + 0.5 * x[:, 0] * x[:, 1]
    return x, (score > np.quantile(score, 1.0 - share)).astype(float)[:, None], "bits"


def counts(rng: Generator, n: int, *, rate: float = 1.5) -> tuple[Array, Array, str]:
    """Poisson counts whose rate depends on the features."""
    x = rng.normal(size=(n, 6))
    expected = np.exp(rate + 0.9 * np.tanh(x @ rng.normal(size=6) / 1.5))
    return x, rng.poisson(expected)[:, None].astype(float), "values"


def branches(rng: Generator, n: int) -> tuple[Array, Array, str]:
    """Two values for each input, one above the other: their mean is neither."""
    x = rng.uniform(-1.0, 1.0, (n, 1))
    side = np.where(rng.random((n, 1)) < 0.7, 1.0, -0.5)
    return x, side * (1.0 + x) + 0.05 * rng.normal(size=(n, 1)), "density"


def clouds(
    rng: Generator, n: int, *, points: int = 12, classes: int = 3
) -> tuple[Array, Array, str]:
    """Sets of points in the plane; the class is how far they spread along one axis."""
    y = rng.integers(0, classes, n)
    x = rng.normal(size=(n, points, 2))
    x[..., 0] *= (0.4 + 1.2 * y)[:, None]
    return x, y, "classes"


def ratings(
    rng: Generator, n: int, *, users: int = 20, films: int = 15
) -> tuple[Array, Array, str]:
    """A user and a film, each a whole number; the target is the product of two hidden vectors."""
    x = np.stack([rng.integers(0, users, n), rng.integers(0, films, n)], axis=1)
    left, right = rng.normal(size=(users, 3)), rng.normal(size=(films, 3))
    y = (left[x[:, 0]] * right[x[:, 1]]).sum(axis=1, keepdims=True)
    return x, y / y.std(), "values"


def spoken(rng: Generator, n: int, *, frames: int = 16, words: int = 4) -> tuple[Array, Array, str]:
    """Frames in which three sounds follow one another, without marks between; CTC's task."""
    y = np.stack([rng.permutation(words)[:3] for _ in range(n)])
    ends = np.sort(np.stack([rng.permutation(np.arange(3, frames - 2, 3))[:2] for _ in range(n)]))
    place = (np.arange(frames)[None, :, None] >= ends[:, None, :]).sum(axis=-1)
    sound = np.take_along_axis(y, place, axis=1)
    x = np.eye(words)[sound] + 0.2 * rng.normal(size=(n, frames, words))
    return x, y + 1, "spoken"


TASKS: Mapping[str, Callable[..., tuple[Array, Array, str]]] = {
    function.__name__: function
    for function in (
        images, masks, words, series, forecast, latched, echo, tags, factors, table, groups, flags,
        answers, counts, branches, clouds, ratings, spoken,
    )
}  # fmt: skip


def made(task: Mapping[str, Any], inputs: Mapping[str, Any], targets: Mapping[str, Any]) -> Task:
    """The arrays of `task`, with what is done to `inputs` and `targets`.

    `inputs` and `targets`: `times` and `plus`; inputs also `column` (only the first is changed) and
    `standardize` (afterwards, each column by its mean and deviation).
    Targets of the training part alone: `wrong` (a share of them is that of other samples),
    `outliers` (a share of them is ten times as far out), `flat` (the last axis is dropped),
    `zeros` (a share of all targets is 0).
    """
    rng = np.random.default_rng(sum(map(ord, task["name"])))
    more = {key: value for key, value in task.items() if key not in ("name", "samples")}
    x, y, score = TASKS[task["name"]](rng, TEST + int(task.get("samples", 600)), **more)
    x = _inputs(x, inputs)
    y = y if y.dtype.kind == "i" else y * targets.get("times", 1.0) + targets.get("plus", 0.0)
    if targets.get("zeros"):
        y = np.where(rng.random(y.shape) < targets["zeros"], 0.0, y)
    train = _spoilt(y[TEST:].copy(), targets, rng)
    kept = [a if a.dtype.kind == "i" else a.astype("float32") for a in (x, train, y)]
    return Task(kept[0][TEST:], kept[1], kept[0][:TEST], kept[2][:TEST], score)


def _inputs(x: Array, change: Mapping[str, Any]) -> Array:
    if x.dtype.kind == "i":
        return x
    changed: Array = x * change.get("times", 1.0) + change.get("plus", 0.0)
    if change.get("column"):
        changed = np.concatenate([changed[..., :1], x[..., 1:]], axis=-1)
    if change.get("standardize"):
        places = tuple(range(changed.ndim - 1))
        changed = (changed - changed.mean(axis=places)) / changed.std(axis=places)
    return changed


def _spoilt(y: Array, change: Mapping[str, Any], rng: Generator) -> Array:
    wrong = rng.random(len(y)) < change.get("wrong", 0.0)
    y[wrong] = y[rng.permutation(len(y))][wrong]
    far = rng.random(len(y)) < change.get("outliers", 0.0)
    if far.any():
        y[far] = y.mean() + 10.0 * (y[far] - y.mean())
    return y[..., 0] if change.get("flat") else y
