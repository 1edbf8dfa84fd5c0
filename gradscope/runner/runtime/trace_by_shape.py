"""A function that is traced once for each combination of shapes of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from gradscope.runner.runtime.import_tensorflow import without_garbage_collection


class TraceByShape:
    """A traced function for each combination of shapes, made when it first occurs.

    A ``tf.function`` would trace as often, and warn of it: batches that differ in shape are nothing
    that its user can mend. `signature` makes the specs of a trace from the arguments, for axes that
    may differ without another trace; `options` are those of ``tf.function``.
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
        if key not in self._traces:
            traced = tf.function(self._run, autograph=False, **self._options)
            with without_garbage_collection():
                self._traces[key] = traced.get_concrete_function(*specs)
        return self._traces[key]

    def traces(self) -> int:
        """How often the function was traced."""
        return len(self._traces)


def _shape(leaf: Any) -> Any:
    return None if leaf is None else (tuple(leaf.shape), leaf.dtype)
