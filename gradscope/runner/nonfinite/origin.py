"""Find the operation that made the first value of a step that is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.record.nonfinite_origin import (
    NonFiniteOrigin,
    OperationKind,
    OriginPlace,
    ValueRange,
)
from gradscope.runner.nonfinite import operations, traced_step
from gradscope.runner.nonfinite.graph_walk import Counts, first_origin
from gradscope.runner.nonfinite.traced_step import LayerSpan, TracedStep
from gradscope.runner.objective.objective import Objective
from gradscope.runner.runtime.preserved_state import preserved_model_state
from gradscope.runner.sources.arrays import ROLES, invalid_value
from gradscope.runner.survey.sites import SiteMap

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Training:
    """What makes a training step, apart from its batch."""

    model: Any
    objective: Objective
    optimizer: Any
    sites: SiteMap

    def names(self) -> Mapping[Any, str]:
        """The name of each call in the table of layers."""
        return {
            key: layer.name for key, layer in zip(self.sites.calls, self.sites.layers, strict=False)
        }


def locate(training: Training, batch: Any, step: int) -> NonFiniteOrigin | None:
    """Compute the passes of `batch` with the present weights, and find where they are lost.

    None where all of them are finite. The model's state is restored. A failure to locate is an
    answer too (`NonFiniteOrigin.fault`): it must not end what called it.
    """
    try:
        return _located(training, batch, step)
    except Exception as error:  # a model that cannot be traced once more has been measured already
        return NonFiniteOrigin(
            step, OriginPlace.UNKNOWN, fault=f"{type(error).__name__}: {error}"[:300]
        )


def lost_weights(training: Training, step: int) -> NonFiniteOrigin | None:
    """The origin in an update whose gradients were finite; None where all weights are finite."""
    layer = _layer_with_lost_weights(training)
    return None if layer is None else NonFiniteOrigin(step, OriginPlace.UPDATE, layer)


def _located(training: Training, batch: Any, step: int) -> NonFiniteOrigin | None:
    batch = keras.tree.map_structure(_as_tensor, batch)
    traced: list[TracedStep] = []
    tensors: list[Any] = []

    def count(structure: Any) -> Any:
        traced.append(_trace(training, structure))
        tensors[:], table = traced_step.counts(traced[-1])
        return table

    with preserved_model_state(training.model):
        table = traced_step.run_traced(batch, count).numpy()
    graph = traced[-1]
    lost = {
        tensor.name: Counts(int(nan), int(inf))
        for tensor, (nan, inf) in zip(tensors, table, strict=True)
        if nan or inf
    }
    operation = first_origin(graph, lost)
    if operation is None:
        return None
    if operation.type == "Placeholder":
        return _of_data(graph, operation, batch, step)
    if operation.type in ("ReadVariableOp", "VariableV2", "ResourceGather"):
        layer = _layer_with_lost_weights(training)
        if layer is not None:
            return NonFiniteOrigin(step, OriginPlace.WEIGHTS, layer)
    return _of_operation(training, graph, operation, batch, step)


def _trace(training: Training, batch: Any) -> TracedStep:
    return traced_step.trace_step(
        training.model, training.objective, training.optimizer, batch, training.names()
    )


def _as_tensor(leaf: Any) -> Any:
    return None if leaf is None else tf.convert_to_tensor(leaf)


def _of_data(graph: TracedStep, operation: Any, batch: Any, step: int) -> NonFiniteOrigin:
    """The origin in an array of the batch."""
    parts = (graph.features, graph.targets, graph.weights)
    for role, symbols, tree in zip(ROLES, parts, batch, strict=False):
        leaves = [leaf for leaf in keras.tree.flatten(tree) if leaf is not None]
        for symbol, leaf in zip(symbols, leaves, strict=True):
            if symbol.op is operation:
                invalid = invalid_value(leaf.numpy(), f"training {role}")
                return NonFiniteOrigin(step, OriginPlace.DATA, invalid=invalid)
    return NonFiniteOrigin(step, OriginPlace.UNKNOWN, type=operation.type)


def _layer_with_lost_weights(training: Training) -> str | None:
    """The first layer with a weight that is not finite; the model itself is ``""``."""
    names: dict[int, str] = {}
    for key, name in training.names().items():
        names.setdefault(key[0], name)
    for layer in (*training.model._flatten_layers(include_self=False), training.model):
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            value = np.asarray(tf.convert_to_tensor(variable.value))
            if value.dtype.kind not in "biuSUO" and not np.isfinite(value.astype(np.float64)).all():
                return "" if layer is training.model else names.get(id(layer), layer.name)
    return None


def _of_operation(
    training: Training, graph: TracedStep, operation: Any, batch: Any, step: int
) -> NonFiniteOrigin:
    """The origin in an operation: its values are fetched by tracing the same graph once more."""
    position = graph.position
    at = position[operation.name]
    backward = at >= graph.backward_start
    forward = _differentiated(graph, operation, position) if backward else operation
    span = _span(graph, operation, forward, position, backward=backward)
    subject = forward or operation
    symbols = [*_real(subject.inputs), *_real(subject.outputs[:1]), *_real(operation.outputs[:1])]
    layer_inputs = list(span.inputs) if span is not None else []
    answers = graph.outputs
    values = _fetched(training, graph, batch, [*symbols, *layer_inputs, *answers])
    place = OriginPlace.BACKWARD
    if not backward:
        place = OriginPlace.LOSS if at >= graph.loss_start else OriginPlace.FORWARD
    result = values[operation.outputs[0].name]
    origin = NonFiniteOrigin(
        step,
        place,
        span.name if span is not None else "",
        operations.operation_name(subject.type),
        operation.type,
        OperationKind.OTHER,
        operation.outputs[0].dtype.name,
        layer_inputs=_range([values[tensor.name] for tensor in layer_inputs]),
    )
    batch_size = int(keras.tree.flatten(batch)[0].shape[0])
    arguments = [values.get(tensor.name) for tensor in subject.inputs]
    origin = _with_kind(origin, subject, arguments, result, batch_size, backward=backward)
    if origin.kind is OperationKind.LOGARITHM:
        argument = arguments[operations.OPERATIONS[subject.type].operand]
        given = [values[tensor.name] for tensor in answers]
        return replace(origin, answer_edge=_answer_edge(argument, given))
    return origin


def _differentiated(graph: TracedStep, operation: Any, position: Mapping[Any, int]) -> Any:
    """The forward operation with an edge whose derivative `operation` computes, if it is one."""
    tensors = {tensor.name for tensor in operation.inputs}
    near = tensors | {
        tensor.name
        for source in operation.inputs
        if position.get(source.op.name, 0) >= graph.backward_start
        for tensor in source.op.inputs
    }
    scope = graph.forward_scope(operation)
    for names in (tensors, near):
        for candidate in graph.operations[: graph.backward_start]:
            if candidate.type not in operations.OPERATIONS:
                continue
            expected = operations.DIFFERENTIATED.get(operation.type, candidate.type)
            own = {tensor.name for tensor in (*candidate.inputs, *candidate.outputs)}
            parent = str(candidate.name).rpartition("/")[0]
            if candidate.type == expected and own & names and scope.startswith(parent):
                return candidate
    return None


def _span(
    graph: TracedStep, operation: Any, forward: Any, position: Mapping[Any, int], *, backward: bool
) -> LayerSpan | None:
    """The layer that makes the operation, or whose operation a backward one belongs to."""
    if not backward:
        return graph.span_at(position[operation.name])
    if forward is not None:
        return graph.span_at(position[forward.name])
    scope = graph.forward_scope(operation)
    while scope:
        for i, candidate in enumerate(graph.operations[: graph.backward_start]):
            if candidate.name == scope or str(candidate.name).rpartition("/")[0] == scope:
                return graph.span_at(i)
        scope = scope.rpartition("/")[0]
    return None


def _fetched(
    training: Training, graph: TracedStep, batch: Any, symbols: Sequence[Any]
) -> dict[str, Values]:
    """The values of tensors of the graph, which is traced and run once more."""
    position = graph.position
    places = {s.name: (position[s.op.name], s.value_index) for s in symbols}

    def fetch(structure: Any) -> Any:
        again = _trace(training, structure)
        kinds = [operation.type for operation in again.operations]
        if kinds != [operation.type for operation in graph.operations]:
            raise RuntimeError("the model computes something else each time it is traced")
        # The counts stay in it: without them, fused operations would round in another way.
        return traced_step.counts(again)[1], {
            name: tf.identity(again.operations[at].outputs[index])
            for name, (at, index) in places.items()
        }

    with preserved_model_state(training.model):
        _, fetched = traced_step.run_traced(batch, fetch)
    return {name: np.asarray(value.numpy()).astype(np.float64) for name, value in fetched.items()}


def _with_kind(
    origin: NonFiniteOrigin,
    subject: Any,
    arguments: Sequence[Values | None],
    result: Values,
    batch_size: int,
    *,
    backward: bool,
) -> NonFiniteOrigin:
    """The origin with its kind, the argument that decides, and how many samples are concerned."""
    lost = ~np.isfinite(result)
    count, per_sample = _counted(lost, batch_size)
    given = [value for value in arguments if value is not None]
    plain = replace(origin, count=count, per_sample=per_sample, operand=_range(given, subject))
    if subject.type == "Mean" and given and not given[0].size:
        return replace(plain, kind=OperationKind.EMPTY_MEAN)
    entry = operations.OPERATIONS.get(subject.type)
    if entry is None:
        whole = subject.type not in operations.CONTAINERS
        overflow = (
            whole and bool(np.isinf(result).any()) and all(np.isfinite(v).all() for v in given)
        )
        kind = OperationKind.OVERFLOW if overflow else OperationKind.OTHER
        return replace(plain, kind=kind)
    argument = arguments[entry.operand]
    if argument is None:
        return plain
    at_edge = (entry.backward if backward else entry.forward)(argument)
    if entry.kind in (OperationKind.EXPONENTIAL, OperationKind.SOFTMAX):
        edge = lost
    elif at_edge.any():
        edge = at_edge
    elif subject.type == "EuclideanNorm":
        edge = lost
    else:  # finite and within the domain: the result is too large for its dtype
        return replace(plain, kind=OperationKind.OVERFLOW if not backward else OperationKind.OTHER)
    count, per_sample = _counted(edge, batch_size)
    operand = _range([argument], subject, entry.operand)
    return replace(origin, kind=entry.kind, count=count, per_sample=per_sample, operand=operand)


def _counted(lost: Values, batch_size: int) -> tuple[int, bool]:
    """How many samples have a marked value; how many values where the first axis is another."""
    if lost.ndim and lost.shape[0] == batch_size:
        return int(lost.reshape(batch_size, -1).any(axis=1).sum()), True
    return int(lost.sum()), False


def _answer_edge(argument: Values | None, answers: Sequence[Values]) -> float | None:
    """Which value the answers reached where the logarithm of them, or of 1 minus them, is lost."""
    if argument is None:
        return None
    for answer in answers:
        if answer.size == argument.size:
            flat, taken = answer.reshape(-1), argument.reshape(-1)
            edges = flat[taken <= 0]
            for edge in (0.0, 1.0):
                if edges.size and np.all(edges == edge):
                    return edge
    return None


def _range(
    values: Sequence[Values], subject: Any = None, position: int | None = None
) -> ValueRange | None:
    """The range of some arrays together; None for none."""
    if not values:
        return None
    flat = np.concatenate([value.reshape(-1) for value in values])
    finite = flat[np.isfinite(flat)]
    dtype = ""
    if subject is not None:
        source = subject.inputs[position] if position is not None else subject.inputs[0]
        dtype = source.dtype.name
    low, high = (finite.min(), finite.max()) if finite.size else (math.nan, math.nan)
    return ValueRange(flat.size, dtype, float(low), float(high), int(np.sum(flat == 0)))


def _real(tensors: Sequence[Any]) -> list[Any]:
    return [tensor for tensor in tensors if tensor.dtype.is_floating]
