"""Which weights train, and which variables a model computes with and does not know."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gradscope.record import UnknownVariables, WeightCounts
from gradscope.runner.survey.calls import recordable_layers


def weight_counts(model: Any, unknown: tuple[UnknownVariables, ...] = ()) -> WeightCounts:
    """Count the weights that are made to be trained, and those of them that do train."""
    weights = _unique(
        weight
        for layer in model._flatten_layers(include_self=True, recursive=True)
        for weight in layer._trainable_variables
    )
    trained = {id(weight) for weight in model.trainable_variables}
    return WeightCounts(
        weights=len(weights),
        trained=sum(id(weight) in trained for weight in weights),
        parameters=sum(map(_size, weights)),
        trained_parameters=sum(_size(weight) for weight in weights if id(weight) in trained),
        frozen_by=tuple(_frozen(model)),
        unknown=unknown,
    )


def _frozen(layer: Any) -> Iterator[str]:
    """The outermost layers with weights to train whose ``trainable`` is False."""
    if not layer.trainable:
        if any(inner._trainable_variables for inner in layer._flatten_layers()):
            yield layer.name
        return
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        yield from _frozen(inner)


def unknown_variables(
    model: Any, watched: Sequence[Any], reached: Mapping[int, bool]
) -> tuple[UnknownVariables, ...]:
    """Variables that a tape `watched` during a forward pass and that are no weights of `model`.

    `reached` says by a variable's id whether the answers depend on it. They are listed by the layer
    that holds them.
    """
    by_layer: dict[tuple[str, bool], list[Any]] = {}
    holders: dict[int, str] = {}
    for layer in [model, *recordable_layers(model)]:
        for variable in _held(vars(layer)):
            holders.setdefault(id(variable), layer.name)
    for variable in untracked(model, watched):
        key = holders.get(id(variable), ""), reached.get(id(variable), False)
        by_layer.setdefault(key, []).append(variable)
    return tuple(
        UnknownVariables(
            layer=name,
            count=len(variables),
            parameters=sum(map(_size, variables)),
            reached=depends,
        )
        for (name, depends), variables in by_layer.items()
    )


def untracked(model: Any, watched: Sequence[Any]) -> list[Any]:
    """Those of the `watched` variables that no weight of `model` stands for."""
    known = {id(variable.value) for variable in model.variables} | {id(v) for v in model.variables}
    return [variable for variable in watched if id(variable) not in known]


def _held(values: Any, depth: int = 3) -> Iterator[Any]:
    """Every variable in the attributes of a layer, in containers and plain objects too."""
    if depth < 0:
        return
    if hasattr(values, "assign") and hasattr(values, "dtype"):
        yield values
        # A Keras variable is the holder of TensorFlow's.
        inner = getattr(values, "value", None)
        if inner is not None and not callable(inner):
            yield inner
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _held(value, depth - 1)
    elif isinstance(values, list | tuple | set):
        for value in values:
            yield from _held(value, depth - 1)
    elif hasattr(values, "_trainable_variables"):
        for variable in values._trainable_variables:
            yield from _held(variable, depth - 1)
    elif type(values).__module__ not in ("builtins", "numpy") and hasattr(values, "__dict__"):
        yield from _held(vars(values), depth - 1)


def _unique(variables: Iterable[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())


def _size(variable: Any) -> int:
    return math.prod(int(size) for size in variable.shape)
