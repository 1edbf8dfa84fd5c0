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
        for variable in _held(dict(vars(layer)), set()):
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


def _held(values: Any, visited: set[int], depth: int = 6) -> Iterator[Any]:
    """Every variable in the attributes of a layer, in containers and plain objects too."""
    if depth < 0 or id(values) in visited:
        return
    visited.add(id(values))
    if hasattr(values, "assign") and hasattr(values, "dtype"):
        yield values
        # A Keras variable is the holder of TensorFlow's.
        inner = getattr(values, "value", None)
        if inner is not None and not callable(inner):
            yield inner
        return
    for part in _parts(values):
        yield from _held(part, visited, depth - 1)


def _parts(values: Any) -> Iterable[Any]:
    """What a container, a layer or an object of the user's own holds."""
    if isinstance(values, Mapping):
        return list(values.values())
    if isinstance(values, list | tuple | set):
        return values
    if hasattr(values, "_trainable_variables"):
        return list(values._trainable_variables)
    own = type(values).__module__.partition(".")[0] not in ("builtins", "keras", "numpy")
    return list(vars(values).values()) if own and hasattr(values, "__dict__") else ()


def _unique(variables: Iterable[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())


def _size(variable: Any) -> int:
    return math.prod(int(size) for size in variable.shape)
