"""Choosing between two computations inside a traced step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def choose(condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """``tf.cond``, except that the branch which is not taken costs nothing.

    TensorFlow lowers a conditional into the graph around it, where every operation of the branch
    not taken is visited to be told that it is dead, and every tensor it needs passes a switch. Kept
    as the function call that it was written as, it is called or not.
    """
    chosen = tf.cond(condition, then, otherwise)
    if not tf.executing_eagerly():
        for tensor in tf.nest.flatten(chosen):
            operation = tensor.op
            while operation.type == "Identity":
                operation = operation.inputs[0].op
            kept = tf.compat.v1.AttrValue(b=False)
            operation._set_attr("_lower_using_switch_merge", kept)
    return chosen
