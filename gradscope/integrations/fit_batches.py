"""Read the batches of a `fit` before its training function takes them, and pass them on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class TakenBatches:
    """Hands batches that were taken from a `tf.data.Iterator` on to the function that trains.

    The iterators that it gives have the same tensors and the same type as the one the batches came
    from: a traced function that takes the one takes the other without being traced again, and
    computes the same bits. Single batches go through a queue, whose iterator is made once: making a
    `tf.data` iterator takes as long as three training steps of a small model.
    """

    def __init__(self) -> None:
        self._spec: Any = None
        self._queue: Any = None
        self._queued: Any = None

    def take(self, iterator: Any, count: int) -> tuple[list[Any], Any]:
        """Take up to `count` elements of `iterator`; give them, and an iterator over them.

        At the end of the data there are no elements, and it is `iterator` itself.
        """
        elements = list(itertools.islice(iterator, count))
        if not elements:
            return [], iterator
        if count == 1:
            return elements, self._through_queue(elements[0], iterator.element_spec)
        whole, *more = (_dataset(element, iterator.element_spec) for element in elements)
        for part in more:
            whole = whole.concatenate(part)
        return elements, iter(whole)

    def _through_queue(self, element: Any, spec: Any) -> Any:
        if self._queue is None or self._spec != spec:
            self._spec = spec
            with tf.device("CPU:0"):
                self._queue, self._queued = _queue_and_iterator(spec)
        self._queue.enqueue(tf.nest.flatten(element, expand_composites=True))
        return self._queued


def _queue_and_iterator(spec: Any) -> tuple[Any, Any]:
    """A queue of one element of type `spec`, and an endless iterator that takes from it."""
    parts = tf.nest.flatten(spec, expand_composites=True)
    queue = tf.queue.FIFOQueue(1, [_dtype(part) for part in parts])

    def dequeue(_: Any) -> Any:
        taken = queue.dequeue()
        tensors = taken if isinstance(taken, (list, tuple)) else [taken]
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.set_shape(part.shape)
        return tf.nest.pack_sequence_as(spec, tensors, expand_composites=True)

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.inject_prefetch = False
    endless = tf.data.Dataset.from_tensors(0).repeat().map(dequeue).with_options(options)
    return queue, iter(endless)


def _dtype(part: Any) -> Any:
    return part.dtype


def _dataset(element: Any, spec: Any) -> Any:
    """A dataset of one element whose type is `spec`: an unknown batch size stays unknown."""
    variant = tf.data.experimental.to_variant(tf.data.Dataset.from_tensors(element))
    return tf.data.experimental.from_variant(variant, spec)


def unpack_batch(element: Any) -> tuple[Any, Any, Any]:
    """Give (x, y, sample weights) of an element, None where it has none."""
    present = keras.tree.map_structure(_without_optional, element)
    x, y, weights = keras.utils.unpack_x_y_sample_weight(present)
    return x, y, weights


def _without_optional(leaf: Any) -> Any:
    """Keras's adapters pass on a missing array as an empty `Optional`."""
    return None if isinstance(leaf, tf.experimental.Optional) else leaf


def present_leaves(tree: Any) -> Sequence[Any]:
    """The tensors of a tree, without what is missing."""
    return [leaf for leaf in keras.tree.flatten(tree) if leaf is not None]
