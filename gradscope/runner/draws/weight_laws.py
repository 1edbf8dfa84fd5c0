"""Which initializer made each weight: recorded where Keras makes the weight.

A layer keeps no initializer of its weights that one could rely on: it may pass a local object to
`add_weight`, and a name resolved a second time is another object with another seed.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from gradscope.runner.runtime.preserved_state import preserved_global_state

Layer: Any = keras.layers.Layer


@dataclass(frozen=True)
class WeightLaw:
    """The initializer object that made `variable`, for `layer`.

    `seeds` are the random initializers that the call uses, each with its seed and with the number
    of draws that this seed had given before (0 unless it is a `SeedGenerator`).
    """

    variable: Any
    initializer: Any
    layer: Any
    seeds: tuple[tuple[Any, int, int], ...] = ()


@dataclass
class RecordedLaws:
    """The laws of the weights that were made while they were recorded, by variable."""

    by_variable: dict[int, WeightLaw] = field(default_factory=dict)

    def of_weights(self, weights: Sequence[Any]) -> list[WeightLaw]:
        """The laws of these variables, in their order; those without one are left out."""
        laws = (self.by_variable.get(id(weight)) for weight in weights)
        return [law for law in laws if law is not None]


@contextlib.contextmanager
def recorded_laws() -> Iterator[RecordedLaws]:
    """Record the initializer of every weight that a layer makes inside the ``with`` block."""
    recorded = RecordedLaws()
    original = Layer.add_weight

    def add_weight(self: Any, *args: Any, **kwargs: Any) -> Any:
        positional = len(args) > 1
        given = args[1] if positional else kwargs.get("initializer")
        initializer = _resolved(self, given, args, kwargs)
        if positional:
            args = (args[0], initializer, *args[2:])
        else:
            kwargs["initializer"] = initializer
        seeds = tuple(_seeds(initializer, self))
        variable = original(self, *args, **kwargs)
        law = WeightLaw(variable, initializer, self, seeds)
        recorded.by_variable[id(variable)] = law
        return variable

    Layer.add_weight = add_weight
    try:
        yield recorded
    finally:
        Layer.add_weight = original


def laws_of_built(model: Any) -> list[WeightLaw] | None:
    """The laws of a model that is there already, by cloning it; None where it cannot be cloned.

    The clone's weights come in the same order. Its seeds are others, so that a draw has the law of
    the model's weights but not their values.
    """
    with preserved_global_state(), recorded_laws() as recorded, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about layers of the user that are not to be saved
        try:
            clone = keras.models.clone_model(model)
            if not clone.built:  # a Sequential model without an Input
                clone.build(model.input_shape)
        except Exception:  # a subclassed model, a layer without a usable config
            return None
    mine, theirs = list(model.weights), list(clone.weights)
    alike = len(mine) == len(theirs) and all(
        tuple(a.shape) == tuple(b.shape) and a.name == b.name
        for a, b in zip(mine, theirs, strict=True)
    )
    if not alike:
        return None
    laws = []
    for weight, twin in zip(mine, theirs, strict=True):
        law = recorded.by_variable.get(id(twin))
        if law is not None:
            laws.append(WeightLaw(weight, law.initializer, law.layer, law.seeds))
    return laws


def _resolved(layer: Any, given: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The initializer object, made as Keras makes it from a name or from nothing."""
    if given is None:
        dtype = args[2] if len(args) > 2 else kwargs.get("dtype")
        name = keras.backend.standardize_dtype(dtype or layer.variable_dtype)
        given = "glorot_uniform" if "float" in name else "zeros"
    return keras.initializers.get(given)


def _seeds(initializer: Any, layer: Any) -> Iterator[tuple[Any, int, int]]:
    """The random initializers that a call may use: itself, and those that the layer holds.

    A layer may pass a function that calls its own initializers, as an LSTM does for its bias.
    """
    held = list(vars(initializer).values()) if hasattr(initializer, "__dict__") else []
    candidates = {id(item): item for item in [initializer, *held, *vars(layer).values()]}
    for candidate in candidates.values():
        seed = getattr(candidate, "seed", None)
        if not callable(candidate) or isinstance(candidate, keras.layers.Layer):
            continue
        if isinstance(seed, bool):
            continue
        if isinstance(seed, int):
            yield candidate, seed, 0
        elif isinstance(seed, keras.random.SeedGenerator):
            with contextlib.suppress(Exception):  # no value inside a graph
                start, drawn = (int(value) for value in keras.ops.convert_to_numpy(seed.state))
                yield candidate, start, drawn
