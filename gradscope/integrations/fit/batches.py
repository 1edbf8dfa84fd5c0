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
        self._source: Any = None
        self._single: _SingleBatches | None = None

    def take(self, iterator: Any, count: int) -> tuple[list[Any], Any]:
        """Take up to `count` elements of a `tf.data.Iterator`; give them and an iterator over them.

        At the end of the data there are no elements, and the iterator is `iterator` itself.
        """
        if iterator is self._source or self._one_at_a_time():
            return self._take_one(iterator)
        elements = list(itertools.islice(iterator, count))
        if not elements:
            return [], iterator
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

    def _take_one(self, iterator: Any) -> tuple[list[Any], Any]:
        if self._single is None or self._single.spec != iterator.element_spec:
            self._single = _SingleBatches(iterator.element_spec)
        self._source = iterator
        element = self._single.hand_on(iterator)
        return ([], iterator) if element is None else ([element], self._single.iterator)


class _SingleBatches:
    """Batches of one type, handed on one at a time to an iterator that is made once."""

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self._queue, self.iterator = _queue(spec)
        leaves = tf.nest.flatten(spec)
        self._dense = all(isinstance(leaf, tf.TensorSpec) for leaf in leaves)
        self._types = [leaf.dtype for leaf in leaves] if self._dense else []
        self._shapes = [leaf.shape for leaf in leaves] if self._dense else []

    def hand_on(self, source: Any) -> Any:
        """Take the next element of `source`, put it under `iterator`, and give it; None at the end.

        ``next(source)`` costs five times what its operation does.
        """
        try:
            if not self._dense:
                element = next(source)
                tensors = tf.nest.flatten(element, expand_composites=True)
            else:
                (resource,) = tf.nest.flatten(source, expand_composites=True)
                tensors = tf.raw_ops.IteratorGetNext(
                    iterator=resource, output_types=self._types, output_shapes=self._shapes
                )
                element = tf.nest.pack_sequence_as(self.spec, tensors)
        except (StopIteration, tf.errors.OutOfRangeError):
            return None
        self._queue.enqueue(tensors)
        return element


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
