"""What a gradient trains: the part of a model, or of several models, that owns its variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from gradscope.runner.survey.calls import recordable_layers

MOST_PARTS = 3
"""Parts that a name joins; of more it has the first and the last."""


@dataclass(frozen=True)
class TrainedParts:
    """The models that a training step calls, with the parts by which its gradients are named.

    Of one model, the parts are the layers that are its attributes; of several, the models.
    """

    models: tuple[Any, ...]
    parts: Mapping[str, Any]
    _variables: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_models(cls, models: Any) -> TrainedParts:
        """The parts of a Keras model, or of models by name."""
        if isinstance(models, Mapping):
            return cls(tuple(models.values()), dict(models))
        return cls((models,), _attributes(models))

    @property
    def layers(self) -> list[Any]:
        """All layers inside, each once, in their order; a model among several counts too."""
        layers: dict[int, Any] = {}
        for model in self.models:
            if len(self.models) > 1 and type(model).call is not keras.Model.call:
                layers[id(model)] = model
            layers |= {id(layer): layer for layer in recordable_layers(model)}
        return list(layers.values())

    @property
    def built(self) -> bool:
        """Whether every layer has its weights."""
        return all(layer.built for layer in self.layers)

    def variable(self, source: Any) -> Any:
        """The trained variable that a source of a gradient is; None for any other tensor."""
        if isinstance(source, keras.Variable):
            return source
        if not hasattr(source, "handle"):
            return None
        if id(source) not in self._variables:
            known = (v for model in self.models for v in model.variables)
            self._variables.update({id(v._value): v for v in known})
        return self._variables.get(id(source), source)

    def name(self, variables: Iterable[Any]) -> str:
        """The name of what trains `variables`; "" for all that there is to train."""
        trained = {id(variable) for variable in variables}
        whole = {id(v) for model in self.models for v in model.trainable_variables}
        owners = []
        for name, part in self.parts.items():
            own = {id(variable) for variable in part.variables}
            if trained & own:
                owners.append((name, own))
        if whole <= trained and (len(owners) != 1 or len(self.parts) == 1):
            return ""
        names = [_in_file_names(name) for name, _ in owners]
        if not names or not trained <= set().union(*(own for _, own in owners)):
            return "model"
        joined = names if len(names) <= MOST_PARTS else [names[0], "to", names[-1]]
        return "_and_".join(joined).replace("_and_to_and_", "_to_")


def _attributes(model: Any) -> dict[str, Any]:
    """The layers of a model by the attribute that holds them, the others by their own names."""
    attributes = {id(value): name for name, value in vars(model).items() if name[0] != "_"}
    layers = model._flatten_layers(include_self=False, recursive=False)
    return {attributes.get(id(layer), layer.name): layer for layer in layers}


def _in_file_names(name: str) -> str:
    """The name with the characters that a folder may have."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-") or "part"
