"""From what was heard of one forward pass to the layer table and the sites that are measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from gradscope.catalog.activations import Activation
from gradscope.record import LayerInfo
from gradscope.runner import layer_kinds as kinds
from gradscope.runner.taps import Call, Ear

Key = tuple[int, int]


@dataclass(frozen=True)
class Site:
    """A row of the layer table that is measured, and where its figures come from.

    `key` is the call that gives z and a: the layer's own, or that of the activation layer it feeds.
    `kernels` are the trainable matrices, `bias` the trainable bias. `activation` is None where the
    nonlinearity is unknown to the catalog or does not act on each value alone; `linear` says that
    there is none, so that z and a are the same.
    """

    index: int
    key: Key
    kernels: tuple[Any, ...] = ()
    bias: Any = None
    activation: Activation | None = None
    parameters: tuple[tuple[str, Any], ...] = ()
    trained_parameter: Any = None


@dataclass(frozen=True)
class BatchNormSite:
    """A batch norm, whose input is compared with its moving statistics."""

    index: int
    key: Key
    layer: Any


@dataclass(frozen=True)
class SiteMap:
    """The layers of a model in the order of the data's flow, and the sites among them."""

    layers: tuple[LayerInfo, ...]
    sites: tuple[Site, ...]
    batch_norms: tuple[BatchNormSite, ...]


@dataclass
class _Origin:
    """Whose signal a tensor carries: the row of a weight layer, and what happened to it since."""

    row: int
    activated: bool
    normalized: bool = False


class _Surveyor:
    """Walks the calls in the order of the data's flow."""

    def __init__(self) -> None:
        self.infos: list[LayerInfo] = []
        self.calls: list[Call] = []
        self.sites: dict[int, Site] = {}
        self.norms: list[BatchNormSite] = []
        self._origins: dict[int, _Origin] = {}

    def visit(self, call: Call) -> None:
        """Add the rows of one call."""
        layer = call.layer
        if call.passes_on and not kinds.own_matrices(layer):
            return
        if isinstance(layer, kinds.NORMALIZATIONS):
            self._normalization(call)
        elif kinds.is_activation_layer(layer):
            self._activation_layer(call)
        elif kinds.own_matrices(layer):
            self._weights(call)
        elif isinstance(layer, kinds.DROPOUTS):
            self._dropout(call)
        else:
            self._structure(call)

    def _row(self, call: Call, role: str, **facts: Any) -> int:
        index = len(self.infos)
        reason = str(facts.pop("reason", ""))
        self.calls.append(call)
        self.infos.append(
            LayerInfo(
                index=index,
                name=call.layer.name,
                kind=type(call.layer).__name__,
                role=role,
                parameters=sum(math.prod(w.shape) for w in call.layer.weights),
                measured=not reason,
                reason=reason,
                **facts,
            )
        )
        return index

    def _weights(self, call: Call) -> None:
        layer = call.layer
        name, entry, parameters = kinds.activation_of(layer)
        fans = kinds.fans(layer)
        kernel_initializer, initializer_parameters = kinds.initializer_of(layer)
        bias_initializer, bias_parameters = kinds.bias_initializer_of(layer)
        output = _floating(call.outputs)
        index = self._row(
            call,
            "hidden",
            units=int(output.shape[-1]) if output is not None and output.shape.rank else None,
            fan_in=fans[0],
            fan_out=fans[1],
            activation=name,
            activation_parameters=parameters,
            initializer=kernel_initializer,
            initializer_parameters=initializer_parameters,
            bias_initializer=bias_initializer,
            bias_initializer_parameters=bias_parameters,
            use_bias=kinds.bias_of(layer) is not None,
            reason="" if output is not None else "its output is not a floating-point tensor",
        )
        if output is None:
            return
        trainable = {id(w) for w in layer.trainable_weights}
        bias = kinds.bias_of(layer)
        self.sites[index] = Site(
            index=index,
            key=call.key,
            kernels=tuple(w for w in kinds.own_matrices(layer) if id(w) in trainable),
            bias=bias if bias is not None and id(bias) in trainable else None,
            activation=entry if entry and entry.hidden else None,
            parameters=tuple(parameters.items()),
        )
        self._origins[id(output)] = _Origin(index, activated=name != "linear")

    def _normalization(self, call: Call) -> None:
        output = _floating(call.outputs)
        units = int(output.shape[-1]) if output is not None else None
        index = self._row(call, "normalization", units=units)
        if isinstance(call.layer, keras.layers.BatchNormalization):
            self.norms.append(BatchNormSite(index, call.key, call.layer))
        else:
            self.sites[index] = Site(index, call.key)
        origin = self._origin(call)
        if origin is None or output is None:
            return
        place = "after_activation" if origin.activated else "before_activation"
        self.infos[origin.row] = replace(self.infos[origin.row], normalization=place)
        self._origins[id(output)] = _Origin(origin.row, origin.activated, normalized=True)

    def _activation_layer(self, call: Call) -> None:
        name, entry, parameters = kinds.activation_of(call.layer)
        origin, output = self._origin(call), _floating(call.outputs)
        trained = getattr(call.layer, "alpha", None) if entry and entry.trained_parameter else None
        facts: dict[str, Any] = {
            "activation": entry if entry and entry.hidden else None,
            "parameters": tuple(parameters.items()),
            "trained_parameter": trained,
        }
        if origin is not None and not origin.activated and output is not None:
            owner = self.infos[origin.row]
            self._row(call, "structure", reason=f"measured as the activation of {owner.name}")
            self.infos[origin.row] = replace(
                owner, activation=name, activation_parameters=parameters
            )
            site = self.sites[origin.row]
            self.sites[origin.row] = replace(site, key=call.key, **facts)
            self._origins[id(output)] = _Origin(origin.row, activated=True)
            return
        index = self._row(call, "structure", activation=name, activation_parameters=parameters)
        self.sites[index] = Site(index, call.key, **facts)

    def _dropout(self, call: Call) -> None:
        self._row(call, "structure", reason="passes on what it is given, with values dropped")
        origin, output = self._origin(call), _floating(call.outputs)
        if origin is not None and output is not None:
            rate = float(getattr(call.layer, "rate", 0.0))
            self.infos[origin.row] = replace(self.infos[origin.row], dropout=rate)
            self._origins[id(output)] = origin

    def _structure(self, call: Call) -> None:
        output = _floating(call.outputs)
        if isinstance(call.layer, kinds.MOVERS):
            self._row(call, "structure", reason="reshapes only: the values pass unchanged")
        elif output is None:
            self._row(call, "structure", reason="its output is not a floating-point tensor")
        else:
            units = int(output.shape[-1]) if output.shape.rank and output.shape[-1] else None
            index = self._row(call, "structure", units=units)
            self.sites[index] = Site(index, call.key)

    def _origin(self, call: Call) -> _Origin | None:
        return self._origins.get(id(call.inputs[0])) if call.inputs else None

    def uncalled(self, layer: Any) -> None:
        """Add a layer that the pass left out; a container is told by what it holds."""
        if kinds.own_matrices(layer) or not layer._layers:
            self._row(Call(layer, 0), "structure", reason="not called in the forward pass")

    def close(self, outputs: Sequence[Any]) -> None:
        """Settle what only the end of the pass shows: output layers, names, pending norms."""
        ends = {id(tensor) for tensor in outputs}
        for tensor, origin in self._origins.items():
            info = self.infos[origin.row]
            if tensor in ends:
                self.infos[origin.row] = replace(info, role="output")
        for info in list(self.infos):
            pending = info.activation == "linear" and info.normalization == "before_activation"
            if pending and not self._activated_later(info.index):
                self.infos[info.index] = replace(info, normalization="after_activation")

    def _activated_later(self, row: int) -> bool:
        return any(o.row == row and o.activated for o in self._origins.values())


def survey(model: Any, layers: Sequence[Any], ear: Ear, outputs: Any) -> SiteMap:
    """Make the layer table of `model` from one forward pass heard by `ear`.

    Rows stand in the order in which the calls ended, which is the data's order. Layers that the
    pass never called are listed last, with that reason.
    """
    surveyor = _Surveyor()
    for call in ear.calls:
        surveyor.visit(call)
    surveyor.close(keras.tree.flatten(outputs))
    called = {id(call.layer) for call in ear.calls}
    for layer in layers:
        if id(layer) not in called and not isinstance(layer, keras.layers.InputLayer):
            surveyor.uncalled(layer)
    names = _distinct_names(surveyor.calls)
    infos = tuple(
        replace(info, name=name) for info, name in zip(surveyor.infos, names, strict=True)
    )
    return SiteMap(infos, tuple(surveyor.sites.values()), tuple(surveyor.norms))


def _distinct_names(calls: Sequence[Call]) -> list[str]:
    """Layer names; the path in the model where two layers share one, ``#2`` for a second call."""
    owners: dict[str, set[int]] = {}
    for call in calls:
        owners.setdefault(call.layer.name, set()).add(id(call.layer))
    names: list[str] = []
    for call in calls:
        shared = len(owners[call.layer.name]) > 1
        name = str(call.layer.path).partition("/")[2] or call.layer.name
        name = name if shared else call.layer.name
        name = f"{name}#{call.number + 1}" if call.number else name
        repeats = sum(other == name or other.startswith(f"{name}~") for other in names)
        names.append(f"{name}~{repeats + 1}" if repeats else name)
    return names


def _floating(tensors: Sequence[Any]) -> Any:
    """The first floating-point tensor with a batch axis, or None."""
    for tensor in tensors:
        if tensor.dtype.is_floating and tensor.shape.rank:
            return tensor
    return None
