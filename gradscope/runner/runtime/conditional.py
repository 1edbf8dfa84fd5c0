"""A conditional inside a traced step whose unused branch costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def unlowered_cond(condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """``tf.cond``, kept as a function call.

    TensorFlow lowers a conditional into the graph around it. There every operation of the branch
    that is not taken is still visited, and every tensor that a branch needs passes a switch. As a
    function call, the branch that is not taken costs nothing.
    """
    result = tf.cond(condition, then, otherwise)
    if not tf.executing_eagerly():
        for tensor in tf.nest.flatten(result):
            operation = tensor.op
            while operation.type == "Identity":
                operation = operation.inputs[0].op
            unlowered = tf.compat.v1.AttrValue(b=False)
            operation._set_attr("_lower_using_switch_merge", unlowered)
    return result
