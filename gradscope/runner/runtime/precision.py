"""The precision in which figures of half precision are computed."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def float32_or_wider(value: Any) -> Any:
    """The value as a dense tensor; half precision is widened to float32, which changes no value."""
    tensor = tf.convert_to_tensor(value)
    return tf.cast(tensor, tf.float32) if tensor.dtype.size < 4 else tensor
