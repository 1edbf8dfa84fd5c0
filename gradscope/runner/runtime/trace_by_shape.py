"""A function that is traced for the shapes of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import keras
import tensorflow as tf

from gradscope.runner.runtime.import_tensorflow import without_garbage_collection

MOST_SHAPES = 2
"""Traces for one combination of shapes each: a full batch, and a short one at the end."""


class TraceByShape:
    """A traced function for the first two combinations of shapes, and one for all others.

    The axes that differ from call to call have no size in the trace for all others, so that
    sequences of a hundred lengths cost three traces. Where the function cannot be traced so, each
    combination has a trace of its own. `signature` makes the specs of a trace from the arguments,
    for axes that may always differ; `options` are those of ``tf.function``.
    """

    def __init__(
        self,
        run: Callable[..., Any],
        *,
        signature: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        self._run, self._signature, self._options = run, signature, options
        self._traces: dict[Any, Any] = {}
        self._open: tuple[Any, Any] | None = None
        # XLA compiles for each combination of shapes anyway.
        self._may_be_open = not options.get("jit_compile")

    def __call__(self, *arguments: Any) -> Any:
        """Call the function; a combination of shapes that is new is traced first.

        Nothing is traced where TensorFlow runs functions eagerly.
        """
        if tf.config.functions_run_eagerly():
            return self._run(*arguments)
        return self.trace(*arguments)(*arguments)

    def trace(self, *arguments: Any) -> Any:
        """The function for the shapes of these arguments, traced if it was not yet."""
        specs = self._signature(*arguments) if self._signature else arguments
        key = tuple(map(_shape, keras.tree.flatten(specs)))
        if key in self._traces:
            return self._traces[key]
        made = self._of_any_shape(specs, key)
        if made is None:
            made = self._traces[key] = self._traced(specs)
        return made

    def traces(self) -> int:
        """How often the function was traced."""
        return len(self._traces) + (self._open is not None)

    def _traced(self, specs: Any) -> Any:
        traced = tf.function(self._run, autograph=False, **self._options)
        with without_garbage_collection():
            return traced.get_concrete_function(*specs)

    def _of_any_shape(self, specs: Any, key: Any) -> Any:
        """The function for all shapes that differ where the known ones do; None if there is none.

        A layer, a loss or a statistic that needs a size raises what it likes while it is traced.
        """
        if not self._may_be_open or len(self._traces) < MOST_SHAPES:
            return None
        known = [self._open[0]] if self._open else self._traces
        open_key = reduce(_common, known, key)
        if open_key is None:
            return None
        if self._open is None or self._open[0] != open_key:
            leaves = [leaf and tf.TensorSpec(leaf[0], leaf[1]) for leaf in open_key]
            try:
                made = self._traced(keras.tree.pack_sequence_as(specs, leaves))
            except Exception:
                self._may_be_open = False
                return None
            self._open = open_key, made
        return self._open[1]


def _shape(leaf: Any) -> Any:
    return None if leaf is None else (tuple(leaf.shape), leaf.dtype)


def _common(first: Any, second: Any) -> Any:
    """The shapes of both, without a size where they differ; None where more than sizes differ."""
    if first is None or second is None or len(first) != len(second):
        return None
    shapes: list[Any] = []
    for one, other in zip(first, second, strict=True):
        if one is None or other is None:
            if one is not other:
                return None
            shapes.append(None)
            continue
        if one[1] != other[1] or len(one[0]) != len(other[0]):
            return None
        sizes = tuple(a if a == b else None for a, b in zip(one[0], other[0], strict=True))
        shapes.append((sizes, one[1]))
    return tuple(shapes)
