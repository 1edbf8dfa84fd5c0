"""The passes of a training step as a traced graph whose operations can be looked at one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from gradscope.runner.objective.objective import Objective
from gradscope.runner.runtime.attribute_patch import patched_attribute
from gradscope.runner.survey.calls import recordable_layers

CONCISE_HEALTH = 3
"""TensorFlow's mode of `DebugNumericSummaryV2` that counts -Inf, Inf and NaN."""

_GRADIENTS = "gradient_tape/"
"""TensorFlow's name scope of the operations that a tape adds in a traced function."""


@dataclass(frozen=True)
class LayerSpan:
    """The operations that one call of a layer added to the graph: from `start` to before `end`."""

    layer: Any
    name: str
    start: int
    end: int
    inputs: tuple[Any, ...]


@dataclass
class TracedStep:
    """A graph of forward pass, loss and gradients.

    `features`, `targets` and `weights` are the tensors of the batch. The operations before
    `loss_start` are the forward pass, those before `backward_start` the loss.
    """

    features: list[Any]
    targets: list[Any]
    weights: list[Any]
    outputs: list[Any] = field(default_factory=list)
    loss: Any = None
    gradients: list[Any] = field(default_factory=list)
    spans: list[LayerSpan] = field(default_factory=list)
    loss_start: int = 0
    backward_start: int = 0
    operations: list[Any] = field(default_factory=list)

    @property
    def position(self) -> Mapping[Any, int]:
        """Position of each operation in the order of computation."""
        return {operation.name: i for i, operation in enumerate(self.operations)}

    def span_at(self, position: int) -> LayerSpan | None:
        """The innermost layer whose call made the operation at `position`."""
        inside = [span for span in self.spans if span.start <= position < span.end]
        return max(inside, key=lambda span: span.start, default=None)

    def forward_scope(self, operation: Any) -> str:
        """The name scope of the forward operation that a backward one belongs to."""
        return str(operation.name).rpartition(_GRADIENTS)[2]


def trace_step(
    model: Any, objective: Objective, optimizer: Any, batch: Any, names: Mapping[Any, str]
) -> TracedStep:
    """Add the passes on the tensors of `batch` to the present graph; `names` are those of calls."""
    x, y, *rest = batch
    weights = rest[0] if rest else None
    graph = tf.compat.v1.get_default_graph()
    step = TracedStep(_leaves(x), _leaves(y), _leaves(weights))
    with tf.GradientTape() as tape:
        with _recorded_spans(model, graph, step.spans, names):
            outputs = model(x, training=True)
        step.loss_start = len(graph.get_operations())
        loss = objective.loss(model, x, y, outputs, weights)
        scaled = optimizer.scale_loss(loss)
    step.backward_start = len(graph.get_operations())
    gradients = tape.gradient(scaled, model.trainable_variables)
    step.outputs, step.loss = _leaves(outputs), scaled
    step.gradients = [
        gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
        for gradient in gradients
        if gradient is not None
    ]
    step.operations = list(graph.get_operations())
    return step


def counts(step: TracedStep) -> tuple[list[Any], Any]:
    """The real tensors of the graph, and how many values of each are NaN and Inf [tensor, 2]."""
    tensors = [
        tensor
        for operation in step.operations
        for tensor in operation.outputs
        if tensor.dtype.is_floating
    ]
    summaries = [
        tf.raw_ops.DebugNumericSummaryV2(
            input=tensor, output_dtype=tf.float64, tensor_debug_mode=CONCISE_HEALTH
        )
        for tensor in tensors
    ]
    table = tf.stack(summaries)
    return tensors, tf.stack([table[:, 4], table[:, 2] + table[:, 3]], axis=1)


def run_traced(batch: Any, build: Callable[[Any], Any]) -> Any:
    """Trace `build` on tensors of the shapes of `batch`, and run it on `batch` once."""
    function = tf.function(build, autograph=False)
    return function.get_concrete_function(batch)(batch)  # a call would warn of retracing


def _leaves(tree: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(tree) if leaf is not None]


@contextlib.contextmanager
def _recorded_spans(
    model: Any, graph: Any, spans: list[LayerSpan], names: Mapping[Any, str]
) -> Iterator[None]:
    """Record which operations the calls of each layer add."""
    numbers: dict[int, int] = {}
    with contextlib.ExitStack() as stack:
        for layer in recordable_layers(model):
            call = _spanned(layer, graph, spans, names, numbers)
            stack.enter_context(patched_attribute(layer, "call", call))
        yield


def _spanned(
    layer: Any,
    graph: Any,
    spans: list[LayerSpan],
    names: Mapping[Any, str],
    numbers: dict[int, int],
) -> Callable[..., Any]:
    original = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        number = numbers.get(id(layer), 0)
        numbers[id(layer)] = number + 1
        start = len(graph.get_operations())
        outputs = original(*args, **kwargs)
        end = len(graph.get_operations())
        name = names.get((id(layer), number), layer.name)
        inputs = tuple(_real((args, kwargs)))
        spans.append(LayerSpan(layer, name, start, end, inputs))
        return outputs

    return call


def _real(tree: Any) -> Sequence[Any]:
    return [
        leaf for leaf in keras.tree.flatten(tree) if tf.is_tensor(leaf) and leaf.dtype.is_floating
    ]
