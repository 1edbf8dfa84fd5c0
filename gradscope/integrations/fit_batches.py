"""Read the batches of a `fit` before its training function takes them, and pass them on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def take_batches(iterator: Any, count: int) -> tuple[list[Any], Any]:
    """Take up to `count` elements of a `tf.data.Iterator`; give them, and an iterator over them.

    That iterator has the same tensors and the same type as `iterator`: a traced function that takes
    the one takes the other without being traced again, and computes the same bits. At the end of
    the data there are no elements, and it is `iterator` itself. Two cheaper ways were tried. On a
    queue with an iterator that is made once, a `fit` waited for ever. Keras's own step, called with
    the element, saved 40 % of a measured step, but a transformer trained to other bits.
    """
    elements = list(itertools.islice(iterator, count))
    if not elements:
        return [], iterator
    whole, *more = (_dataset(element, iterator.element_spec) for element in elements)
    for part in more:
        whole = whole.concatenate(part)
    return elements, iter(whole)


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
