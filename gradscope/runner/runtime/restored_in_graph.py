"""What a traced function changes: its variables' values are put back inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

_PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
_READS = frozenset({"ReadVariableOp", "ResourceGather", "VariableShape"})


def calls_python(graph: Any) -> bool:
    """Whether a traced graph, or a function that it calls, runs Python code in its calls."""
    library = graph.as_graph_def().library.function
    inner = (node.op for function in library for node in function.node_def)
    outer = (operation.type for operation in graph.get_operations())
    return not _PYTHON.isdisjoint([*outer, *inner])


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
