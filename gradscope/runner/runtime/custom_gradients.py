"""Let a traced graph be freed where TensorFlow's registry of gradients holds it for ever.

`tf.custom_gradient` in a graph registers its gradient in a table of the process, and that function
holds the graph's tensors. Keras's optimizers call `all_reduce`, which is such a function, so that
each traced training step stays in memory to the end of the process (30 MB and more for each run).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import func_graph, ops

PREFIX = "CustomGradient-"
"""How `tf.custom_gradient` begins the names that it registers."""
HELD_BY_GRAPH = "_gradscope_custom_gradients"


@contextmanager
def freed_with_their_graphs() -> Iterator[None]:
    """Tie the custom gradients that are registered inside to the graphs that they belong to.

    A graph then keeps its gradient functions itself, and the registry refers to them weakly: they
    serve as long as the graph is used, and both go when nothing else uses the graph. Where a
    TensorFlow keeps its registry otherwise, nothing is changed.
    """
    registry = registered_gradients()
    before = set(registry)
    try:
        yield
    finally:
        for name in [name for name in registry if name not in before]:
            tie_to_graph(registry, name)


def tie_to_graph(registry: dict[str, Any], name: str) -> bool:
    """Whether the gradient `name` is held by its graph from now on instead of by the registry."""
    entry = registry[name]
    if not (isinstance(name, str) and name.startswith(PREFIX) and isinstance(entry, dict)):
        return False
    function = entry.get("type")
    if not callable(function) or isinstance(function, HeldByGraph):
        return False
    graph = _graph(function)
    if graph is None:
        return False
    setattr(graph, HELD_BY_GRAPH, {**getattr(graph, HELD_BY_GRAPH, {}), name: function})
    entry["type"] = HeldByGraph(graph, name)
    weakref.finalize(graph, registry.pop, name, None).atexit = False
    return True


class HeldByGraph:
    """Calls a gradient function that its graph holds."""

    def __init__(self, graph: Any, name: str) -> None:
        self._graph = weakref.ref(graph)
        self._name = name

    def __call__(self, *arguments: Any) -> Any:
        """What the gradient function returns; the graph lives while one of its operations does."""
        graph = self._graph()
        assert graph is not None
        return getattr(graph, HELD_BY_GRAPH)[self._name](*arguments)


def registered_gradients() -> dict[str, Any]:
    """The gradients that TensorFlow has in its registry, by name; empty where it keeps none."""
    entries = getattr(getattr(ops, "gradient_registry", None), "_registry", None)
    return entries if isinstance(entries, dict) else {}


def _graph(function: Callable[..., Any]) -> Any:
    """The function graph of the answer that the gradient function encloses, where there is one."""
    enclosed = _enclosed(_enclosed(function).get("tape_grad_fn"))
    for tensor in tf.nest.flatten(enclosed.get("result")):
        graph = getattr(tensor, "graph", None) if tf.is_tensor(tensor) else None
        if isinstance(graph, func_graph.FuncGraph):
            return graph
    return None


def _enclosed(function: Any) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    cells = getattr(function, "__closure__", None) or ()
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=False)}
