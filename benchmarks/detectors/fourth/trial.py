"""What a network of the fourth part is: a compiled model, its data, how long it trains, its score.

A `Kind` is a function that builds a `Trial` from options. Its variations are healthy; a fault is a
change of the options of one variation, its repaired twin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from benchmarks.detectors.wide import scoring

Options = Mapping[str, Any]
Score = Callable[[Any, Any], float]

ANY = ("any",)
"""Only detection counts: no single code is the right answer."""

STEPS = (
    "unstable_updates", "diverging_loss", "oscillating_loss", "non_finite", "dead_units",
    "exploding_signal",
)  # fmt: skip
"""What steps that are too large can look like."""

STANDSTILL = ("frozen_layers", "exhausted_learning_rate")
"""What steps of no size can look like."""

FADED = (
    "vanishing_signal", "vanishing_gradient", "collapsed_representation", "initializer_mismatch",
    "not_learning",
)  # fmt: skip
"""What a signal that fades over depth can look like."""


@dataclass(frozen=True)
class Trial:
    """`train` is (x, y), (x, y, weights), (x,) or a tf.data.Dataset; `test` is (x, y).

    `score` gives 1 for a perfect answer and 0 for a constant one. `possible` is the score that
    noise in the data allows.
    """

    model: Any
    train: Any
    test: Any
    score: Score
    steps: int
    batch: int = 32
    possible: float = 1.0


@dataclass(frozen=True)
class Fault:
    """A change of variation `on`; `codes` are right answers, named before any judging.

    `source` is where people report it.
    """

    on: str
    change: Options
    codes: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Kind:
    """A kind of network. `healthy` maps variations to options, `sick` faults to changes.

    The option `proof` of a variation is the change under which it shows that it learns, where its
    own training is too short or too slow to show it.
    """

    build: Callable[[Options], Trial]
    healthy: Mapping[str, Options]
    sick: Mapping[str, Fault] = field(default_factory=dict)


def classes(answer: Any, y: Any) -> float:
    """Balanced accuracy above chance."""
    return scoring.skill(answer, np.asarray(y), "classes")


def bits(answer: Any, y: Any) -> float:
    """Balanced accuracy above chance of every binary target."""
    return scoring.skill(answer, np.asarray(y), "bits")


def values(answer: Any, y: Any) -> float:
    """The explained share of the variance."""
    return scoring.skill(answer, np.asarray(y), "values")


def ranks(answer: Any, y: Any) -> float:
    """Twice the area under the ROC curve, minus 1."""
    answer, y = np.ravel(np.asarray(answer, np.float64)), np.ravel(y)
    if not np.isfinite(answer).all():
        return 0.0
    higher = answer[y > 0.5][:, None] - answer[y <= 0.5][None]
    return max(0.0, 2.0 * float(np.mean((higher > 0) + 0.5 * (higher == 0))) - 1.0)


def parted(x: Any, y: Any, tested: int = 200) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Training and test part of nested arrays, floats as float32."""

    def part(rows: slice) -> Callable[[Any], Any]:
        return lambda a: a[rows].astype("float32" if a.dtype.kind == "f" else "int32")

    first, rest = part(slice(None, tested)), part(slice(tested, None))
    tree = keras.tree.map_structure
    return (tree(rest, x), tree(rest, y)), (tree(first, x), tree(first, y))


def optimizer(o: Options, rate: float = 0.01) -> Any:
    """The optimizer that the options make, or Adam."""
    if "optimizer" in o:
        return o["optimizer"]()
    return keras.optimizers.Adam(o.get("rate", rate), **o.get("more", {}))


def schedule(name: str, *arguments: Any, **more: Any) -> Callable[[], Any]:
    """Adam whose rate follows a schedule of Keras's."""

    def made() -> Any:
        return keras.optimizers.Adam(getattr(keras.optimizers.schedules, name)(*arguments, **more))

    return made


def kind_of(name: str, *arguments: Any, **more: Any) -> Callable[[], Any]:
    """An optimizer of Keras's, made anew for each model."""
    return lambda: getattr(keras.optimizers, name)(*arguments, **more)
