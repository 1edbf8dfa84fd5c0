"""Read the batches of a `fit` before its training function takes them, and pass them on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class FitBatches:
    """Takes the batches of one `fit` before its training function does, and hands them on.

    What it hands on is an iterator over the same tensors, of the type that `fit` has: its traced
    function takes the one as the other, is not traced again, and computes the same bits.

    One batch goes through a queue under an iterator that is made once, as a new iterator for each
    costs more than a step of a small network. A queue has no end, so that it serves Keras's own
    training function alone, and only where that asks for one batch. Keras's own step called with
    the element would be cheaper still, but trained a transformer to other bits.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._queue: Any = None
        self._iterator: Any = None

    def take(self, iterator: Any, count: int) -> tuple[list[Any], Any]:
        """Take up to `count` elements of a `tf.data.Iterator`; give them and an iterator over them.

        At the end of the data there are no elements, and the iterator is `iterator` itself.
        """
        elements = list(itertools.islice(iterator, count))
        if not elements:
            return [], iterator
        if self._one_at_a_time():
            return elements, self._queued(elements[0], iterator.element_spec)
        whole, *more = (_dataset(element, iterator.element_spec) for element in elements)
        for part in more:
            whole = whole.concatenate(part)
        return elements, iter(whole)

    def _one_at_a_time(self) -> bool:
        """Whether the training function is Keras's own, and asks for a single batch."""
        return int(self._model.steps_per_execution) == 1 and all(
            getattr(type(self._model), name, None) is getattr(keras.Model, name, None)
            for name in ("make_train_function", "_make_function")
        )

    def _queued(self, element: Any, spec: Any) -> Any:
        if self._iterator is None or self._iterator.element_spec != spec:
            self._queue, self._iterator = _queue(spec)
        self._queue.enqueue(tf.nest.flatten(element, expand_composites=True))
        return self._iterator


def _queue(spec: Any) -> tuple[Any, Any]:
    """A queue of elements whose type is `spec`, and an endless iterator that takes from it.

    The iterator must not take ahead of what it is asked for: the options switch that off. Asked for
    a batch that is not there it would wait for ever: it fails instead.
    """
    parts = tf.nest.flatten(spec, expand_composites=True)

    def dequeued(_: Any) -> Any:
        asked = "GradientFlow: the training function asked for more than one batch"
        with tf.control_dependencies([tf.debugging.assert_equal(queue.size(), 1, asked)]):
            tensors = keras.tree.flatten(queue.dequeue())
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.set_shape(part.shape)
        return tf.nest.pack_sequence_as(spec, tensors, expand_composites=True)

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.inject_prefetch = False
    with tf.device("CPU:0"):
        queue = tf.queue.FIFOQueue(1, [part.dtype for part in parts])
        dataset = tf.data.Dataset.from_tensors(0).repeat().map(dequeued).with_options(options)
        return queue, iter(dataset)


def _dataset(element: Any, spec: Any) -> Any:
    """A dataset of one element whose type is `spec`: an unknown batch size stays unknown."""
    variant = tf.data.experimental.to_variant(tf.data.Dataset.from_tensors(element))
    return tf.data.experimental.from_variant(variant, spec)


def unpack_batch(element: Any) -> tuple[Any, Any, Any]:
    """Give (x, y, sample weights) of an element, None where it has none."""
    present = keras.tree.map_structure(_without_optional, element)
    x, y, weights = keras.utils.unpack_x_y_sample_weight(present)
    return x, y, weights


def measured_batch(element: Any, probe: tuple[Any, ...] | None) -> Any:
    """The batch to measure: the one that is trained on next, or the probe set."""
    if probe is None:
        return unpack_batch(element)
    return tuple(
        None if tree is None else keras.tree.map_structure(tf.convert_to_tensor, tree)
        for tree in probe
    )


def _without_optional(leaf: Any) -> Any:
    """Keras's adapters pass on a missing array as an empty `Optional`."""
    return None if isinstance(leaf, tf.experimental.Optional) else leaf


def present_leaves(tree: Any) -> Sequence[Any]:
    """The tensors of a tree, without what is missing."""
    return [leaf for leaf in keras.tree.flatten(tree) if leaf is not None]
