"""Put back, inside a traced function, the state that the function changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

_READS = frozenset({"ReadVariableOp", "ResourceGather", "VariableShape"})


class StateInGraph:
    """Values that variables have at the begin of a traced function.

    ``state = StateInGraph(variables)`` first, ``state.restore(after)`` last. Only what the function
    may change is written, so that a restored function costs no more than those writes.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        self._saved = [(v, tf.convert_to_tensor(v.value)) for v in variables]

    def restore(self, after: Sequence[Any]) -> None:
        """Write the values back once the tensors `after` are computed."""
        graph = tf.compat.v1.get_default_graph()
        with tf.control_dependencies(list(after)):
            for variable, value in self._saved:
                handle = graph.capture(_handle(variable))
                if any(operation.type not in _READS for operation in handle.consumers()):
                    variable.assign(value)


def _handle(variable: Any) -> Any:
    return getattr(variable.value, "handle", variable.value)
