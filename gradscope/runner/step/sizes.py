"""How many values a traced tensor has: known where it is traced, or read when it runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def known_size(x: Any) -> float:
    """The number of values; infinite where the trace serves tensors of several shapes."""
    size = x.shape.num_elements()
    return math.inf if size is None else float(size)


def sizes(tensors: Sequence[Any]) -> Any:
    """The numbers of values, float64 [tensor]: of NumPy where all are known."""
    known = [known_size(tensor) for tensor in tensors]
    if all(map(math.isfinite, known)):
        return np.array(known)
    return tf.stack([tf.cast(tf.size(tensor), tf.float64) for tensor in tensors])


def lengths(tensors: Sequence[Any]) -> Any:
    """The lengths of the first axes, float64 [tensor]: of NumPy where all are known."""
    known = [tensor.shape[0] for tensor in tensors]
    if None not in known:
        return np.array(known, np.float64)
    return tf.stack([tf.cast(tf.shape(tensor)[0], tf.float64) for tensor in tensors])


def length(x: Any) -> Any:
    """The length of the first axis, as a shape needs it: a number, or a tensor where it varies."""
    return tf.shape(x)[0] if x.shape[0] is None else int(x.shape[0])


def sample_count(x: Any) -> Any:
    """The length of the first axis, as a factor: a number, or a float64 tensor where it varies."""
    size = length(x)
    return tf.cast(size, tf.float64) if tf.is_tensor(size) else size
