"""Draw all weights of a model again from their initializers, in one traced function."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.record.initial_draws import DrawnWeight, WeightDraw
from gradscope.runner.draws.weight_laws import WeightLaw
from gradscope.runner.runtime.attribute_patch import patched_attribute

_APART = 2**20
"""Draws of a `SeedGenerator` between one draw of the model and the next: more than a model has
weights, so that no two weights share a seed."""


class _SeedOfDraw(keras.random.SeedGenerator):  # type: ignore[misc]
    """Gives the stateless seed of draw k of an initializer: its own seed, then its k-th draw.

    Keras makes [s, 0] of the integer seed s, which is draw 0.
    """

    def __init__(self, start: int, drawn: int, draw: Any, *, steps: int) -> None:
        self._start, self._drawn, self._draw, self._steps = start, drawn, draw, steps
        self._calls = 0

    def next(self, ordered: bool = True) -> Any:
        """The seed of this call: one further for each call where a generator had counted them."""
        dtype = (
            keras.backend.random_seed_dtype()
            if hasattr(keras.backend, "random_seed_dtype")
            else "uint32"
        )
        offset = self._drawn + (self._calls if self._steps else 0)
        self._calls += 1
        stride = _APART if self._steps else 1
        second = tf.cast(self._draw, dtype) * stride + tf.constant(offset, dtype)
        first = tf.constant(np.int64(self._start & 0xFFFFFFFF).astype(np.uint32))
        return tf.stack([tf.cast(first, dtype), second])


class Redraw:
    """Draws the weights of `model` in place: ``redraw(k)``; draw 0 gives what the model started as.

    `weights` says of every weight whether it is drawn. Nothing else of the model is touched.
    """

    def __init__(self, model: Any, laws: Sequence[WeightLaw]) -> None:
        self._laws = list(laws)
        self._failed: set[int] = set()
        self._traced = tf.function(self._assign, autograph=False)
        known = {id(law.variable): law for law in self._laws}
        own = {id(weight): _digest(weight) for weight in model.weights}
        self.saved = [(weight, np.array(weight.numpy())) for weight in model.weights]
        try:
            digests = [self._digests(model, draw) for draw in (0, 1, 2)]
            self.weights = tuple(
                DrawnWeight(
                    weight.path,
                    tuple(int(size) for size in weight.shape),
                    self._draw_of(weight, known.get(id(weight)), own, digests),
                )
                for weight in model.weights
            )
        finally:
            self.restore()
        kept = {
            id(weight)
            for weight, drawn in zip(model.weights, self.weights, strict=True)
            if not drawn.drawn and drawn.draw is not WeightDraw.CONSTANT
        }
        if kept & set(known):
            self._laws = [law for law in self._laws if id(law.variable) not in kept]
            self._traced = tf.function(self._assign, autograph=False)

    def __call__(self, draw: int) -> None:
        """Give the weights the values of this draw."""
        self._traced(tf.constant(draw, tf.int64))

    def restore(self) -> None:
        """Give the model the weights that it had."""
        for variable, value in self.saved:
            variable.assign(value)

    def _assign(self, draw: Any) -> None:
        for law in self._laws:
            if id(law.variable) in self._failed:
                continue
            try:
                with _seeded(law, draw):
                    value = law.initializer(law.variable.shape, dtype=law.variable.dtype)
                    value = keras.ops.convert_to_tensor(value, dtype=law.variable.dtype)
            except Exception:  # an initializer of the user that cannot be traced
                self._failed.add(id(law.variable))
                continue
            law.variable.assign(value)

    def _digests(self, model: Any, draw: int) -> dict[int, bytes]:
        self(draw)
        return {id(weight): _digest(weight) for weight in model.weights}

    def _draw_of(
        self, weight: Any, law: WeightLaw | None, own: dict[int, bytes], digests: Any
    ) -> WeightDraw:
        key = id(weight)
        if law is None:
            return WeightDraw.NO_INITIALIZER
        if key in self._failed:
            return WeightDraw.NOT_TRACED
        as_made = digests[0][key] == own[key]
        if digests[1][key] != digests[2][key]:
            return WeightDraw.AS_MADE if as_made else WeightDraw.OTHER_VALUES
        if as_made or _is_constant(law):
            return WeightDraw.CONSTANT
        return WeightDraw.OTHER_GENERATOR


@contextlib.contextmanager
def restored_weights(model: Any) -> Iterator[None]:
    """Give the model the weights that it has now back at the end, whatever happens."""
    saved = [(weight, np.array(weight.numpy())) for weight in model.weights]
    try:
        yield
    finally:
        for weight, values in saved:
            weight.assign(values)


@contextlib.contextmanager
def _seeded(law: WeightLaw, draw: Any) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for initializer, start, drawn in law.seeds:
            steps = not isinstance(initializer.seed, int)
            seed = _SeedOfDraw(start, drawn, draw, steps=int(steps))
            stack.enter_context(patched_attribute(initializer, "seed", seed))
        yield


def _is_constant(law: WeightLaw) -> bool:
    """Whether an initializer gives the same values at each call outside a trace, too."""
    first, second = (
        np.asarray(law.initializer(law.variable.shape, dtype=law.variable.dtype)) for _ in range(2)
    )
    return first.tobytes() == second.tobytes()


def _digest(weight: Any) -> bytes:
    values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight.value))
    return hashlib.blake2b(values.tobytes(), digest_size=16).digest()
