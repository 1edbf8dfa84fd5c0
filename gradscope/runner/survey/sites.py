"""From what was heard of one forward pass to the layer table and the sites that are measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from gradscope.catalog.activations import Activation
from gradscope.record import LayerInfo
from gradscope.record.layers import UNREACHED
from gradscope.record.statistics import MeasuredAt, measured_at
from gradscope.runner.survey import layer_kinds as kinds
from gradscope.runner.survey import recurrent
from gradscope.runner.survey.calls import Call, CallRecorder
from gradscope.runner.survey.graph_reachability import Flow, name_of

Key = tuple[int, int]

SIGNAL = measured_at(MeasuredAt.SIGNAL)
KERNEL = measured_at(MeasuredAt.KERNEL)
BIAS = measured_at(MeasuredAt.BIAS)
DERIVATIVE = measured_at(MeasuredAt.DERIVATIVE, MeasuredAt.PROBE_SET)
FROZEN = "frozen: not trained"
BATCH_NORM_ONLY = "a batch norm is held against its moving statistics only"


@dataclass(frozen=True)
class Site:
    """A row of the layer table that is measured, and where its figures come from.

    `key` is the call that gives z and a: the layer's own, or that of the activation layer it feeds;
    `output` says which of the call's tensors is a; `input_is_z` that z is what the call received
    (an activation layer). `kernels` are the trainable matrices, `bias` the
    trainable bias. `activation` is None where the nonlinearity is unknown to the catalog or does
    not act on each value alone; `linear` says that there is none, so that z and a are the same.
    `unit_axes` of z number the units; the others are samples and places. `time_steps` is given
    where delta is followed through a recurrent layer's loop.
    """

    index: int
    key: Key
    output: int = 0
    input_is_z: bool = False
    unit_axes: tuple[int, ...] = ()
    kernels: tuple[Any, ...] = ()
    bias: Any = None
    activation: Activation | None = None
    parameters: tuple[tuple[str, Any], ...] = ()
    trained_parameter: Any = None
    time_steps: int | None = None


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

    @property
    def keys(self) -> frozenset[Key]:
        """The calls whose tensors the loss is differentiated by."""
        return frozenset(site.key for site in self.sites)

    @property
    def time_steps(self) -> int:
        """How many figures of delta over time a step gives, over all recurrent layers."""
        return sum(site.time_steps or 0 for site in self.sites)


@dataclass
class _Origin:
    """Whose signal a tensor carries: the row of a weight layer, and what happened to it since."""

    row: int
    activated: bool
    normalized: bool = False


class _Surveyor:
    """Walks the calls in the order of the data's flow."""

    def __init__(self, flow: Flow) -> None:
        self.infos: list[LayerInfo] = []
        self.calls: list[Call] = []
        self.sites: dict[int, Site] = {}
        self.norms: list[BatchNormSite] = []
        self._flow = flow
        self._origins: dict[Any, _Origin] = {}

    def visit(self, call: Call) -> None:
        """Add the rows of one call."""
        layer = call.layer
        if call.passes_on and not kinds.own_weights(layer):
            return
        if isinstance(layer, kinds.NORMALIZATIONS):
            self._normalization(call)
        elif kinds.is_activation_layer(layer):
            self._activation_layer(call)
        elif kinds.own_matrices(layer):
            self._weights(call)
        elif isinstance(layer, kinds.DROPOUTS):
            self._dropout(call)
        elif isinstance(layer, kinds.RESHAPERS):
            self._pass_on(call, "computes nothing: the values pass unchanged")
        elif isinstance(layer, kinds.MOVERS):
            self._row(call, "structure", reason="computes nothing: copies, pads or leaves out")
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
                parameters=kinds.parameters(call.layer),
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
        initializer, initializer_parameters = kinds.initializer_of(layer)
        biases = kinds.biases_of(layer)
        at, reason = self._tensor(call)
        axes = _unit_axes(call, at)
        bias_initializer, bias_parameters = kinds.bias_initializer_of(layer)
        index = self._row(
            call,
            "hidden",
            units=_units(call, at, axes),
            fan_in=fans[0],
            fan_out=fans[1],
            activation=name,
            activation_parameters=parameters,
            initializer=initializer,
            initializer_parameters=initializer_parameters,
            bias_initializer=bias_initializer,
            bias_initializer_parameters=bias_parameters,
            use_bias=bool(biases),
            reason=reason,
        )
        if reason:
            return
        trainable = {id(w) for w in layer.trainable_weights}
        kernels = kinds.own_matrices(layer)
        trained = [w for w in biases if id(w) in trainable]
        steps, unprofiled = recurrent.time_steps(call)
        self.sites[index] = Site(
            index=index,
            key=call.key,
            output=at,
            unit_axes=axes,
            kernels=tuple(w for w in kernels if id(w) in trainable),
            bias=trained[0] if len(trained) == 1 else None,
            activation=entry if entry and entry.hidden else None,
            parameters=tuple(parameters.items()),
            time_steps=steps,
        )
        missing = dict.fromkeys(KERNEL if not self.sites[index].kernels else (), FROZEN)
        if biases and len(trained) != 1:
            several = f"it holds {len(biases)} biases"
            missing |= dict.fromkeys(BIAS, several if trained else FROZEN)
        if unprofiled:
            missing["recurrent_delta_second_moment"] = unprofiled
        facts = {"time_steps": steps, "go_backwards": bool(steps and layer.go_backwards)}
        self._note(index, missing | _without_derivative(layer, name, entry), **facts)
        self._origins[name_of(call.outputs[at])] = _Origin(index, activated=name != "linear")

    def _normalization(self, call: Call) -> None:
        at, reason = self._tensor(call)
        axes = _unit_axes(call, at)
        index = self._row(call, "normalization", units=_units(call, at, axes), reason=reason)
        if isinstance(call.layer, keras.layers.BatchNormalization):
            self.norms.append(BatchNormSite(index, call.key, call.layer))
            self._note(index, {} if reason else dict.fromkeys(SIGNAL, BATCH_NORM_ONLY))
        elif not reason:
            self.sites[index] = Site(index, call.key, at, unit_axes=axes)
        origin = self._origin(call)
        if origin is None or at < 0:
            return
        place = "after_activation" if origin.activated else "before_activation"
        self._change(origin.row, normalization=place)
        self._origins[name_of(call.outputs[at])] = replace(origin, normalized=True)

    def _activation_layer(self, call: Call) -> None:
        name, entry, parameters = kinds.activation_of(call.layer)
        origin, (at, reason) = self._origin(call), self._tensor(call)
        trained = getattr(call.layer, "alpha", None) if entry and entry.trained_parameter else None
        facts: dict[str, Any] = {
            "key": call.key,
            "output": at,
            "input_is_z": call.inputs[0].shape == call.outputs[at].shape,
            "activation": entry if entry and entry.hidden else None,
            "parameters": tuple(parameters.items()),
            "trained_parameter": trained,
        }
        missing = _without_derivative(call.layer, name, entry)
        if reason:
            self._row(call, "structure", reason=reason)
        elif origin is not None and not origin.activated:
            owner = self.infos[origin.row]
            self._row(call, "structure", reason=f"measured as the activation of {owner.name}")
            self._change(origin.row, activation=name, activation_parameters=parameters)
            self._note(origin.row, owner.unmeasured | missing)
            self.sites[origin.row] = replace(self.sites[origin.row], **facts)
            self._origins[name_of(call.outputs[at])] = replace(origin, activated=True)
        else:
            index = self._row(call, "structure", activation=name, activation_parameters=parameters)
            self.sites[index] = Site(index, unit_axes=_unit_axes(call, at), **facts)
            self._note(index, missing)

    def _dropout(self, call: Call) -> None:
        origin = self._origin(call)
        self._pass_on(call, "passes on what it is given, changed at random")
        if origin is not None:
            self._change(origin.row, dropout=float(getattr(call.layer, "rate", 0.0)))

    def _pass_on(self, call: Call, reason: str) -> None:
        """Add a row without figures whose output carries the same signal as its input."""
        self._row(call, "structure", reason=reason)
        origin, (at, _) = self._origin(call), self._tensor(call)
        if origin is not None and at >= 0:
            self._origins[name_of(call.outputs[at])] = origin

    def _structure(self, call: Call) -> None:
        at, reason = self._tensor(call)
        axes = _unit_axes(call, at)
        index = self._row(call, "structure", units=_units(call, at, axes), reason=reason)
        if not reason:
            self.sites[index] = Site(index, call.key, at, unit_axes=axes)

    def _tensor(self, call: Call) -> tuple[int, str]:
        """Which output of the call is measured, and why it cannot be: the first that is trained."""
        floating = [at for at, t in enumerate(call.outputs) if t.dtype.is_floating and t.shape.rank]
        if not floating:
            return -1, "its output is not a floating-point tensor"
        reached = [at for at in floating if self._flow.reaches_loss(call.outputs[at])]
        if not reached:
            return floating[0], f"{UNREACHED}: no gradient comes back"
        if not call.outputs[reached[0]].shape.is_fully_defined():
            return reached[0], "its output has no fixed shape"
        return reached[0], ""

    def _origin(self, call: Call) -> _Origin | None:
        return self._origins.get(name_of(call.inputs[0])) if call.inputs else None

    def _change(self, row: int, **facts: Any) -> None:
        self.infos[row] = replace(self.infos[row], **facts)

    def _note(self, row: int, unmeasured: dict[str, str], **facts: Any) -> None:
        self._change(row, unmeasured=unmeasured, **facts)

    def uncalled(self, layer: Any) -> None:
        """Add a layer that the pass left out; a container is told by what it holds."""
        if kinds.own_weights(layer) or not layer._layers:
            self._row(Call(layer, 0), "structure", reason="not called in the forward pass")

    def model_itself(self, model: Any) -> None:
        """Add the weights that hang on the model and on none of its layers."""
        if model._trainable_variables:
            reason = "weights of the model itself: no layer's output shows what they do"
            self._row(Call(model, 0), "structure", reason=reason)

    def close(self, outputs: Sequence[Any]) -> None:
        """Settle what only the end of the pass shows: output layers, names, pending norms."""
        ends = {name_of(tensor) for tensor in outputs}
        for tensor, origin in self._origins.items():
            if tensor in ends:
                self._change(origin.row, role="output")
        for info in list(self.infos):
            pending = info.activation == "linear" and info.normalization == "before_activation"
            if pending and not self._activated_later(info.index):
                self._change(info.index, normalization="after_activation")

    def _activated_later(self, row: int) -> bool:
        return any(o.row == row and o.activated for o in self._origins.values())


def survey(
    model: Any, layers: Sequence[Any], ear: CallRecorder, outputs: Any, ends: Sequence[Any]
) -> SiteMap:
    """Make the layer table of `model` from one traced forward pass heard by `ear`.

    `ends` are the tensors that the loss is made of. Rows stand in the order in which the calls
    ended, which is the data's order. Layers that the pass never called are listed last, with that
    reason.
    """
    surveyor = _Surveyor(Flow(ends))
    for call in ear.calls:
        surveyor.visit(call)
    surveyor.close(keras.tree.flatten(outputs))
    called = {id(call.layer) for call in ear.calls}
    for layer in layers:
        if id(layer) not in called and not isinstance(layer, keras.layers.InputLayer):
            surveyor.uncalled(layer)
    surveyor.model_itself(model)
    names = _distinct_names(surveyor.calls)
    infos = tuple(
        replace(info, name=name) for info, name in zip(surveyor.infos, names, strict=True)
    )
    return SiteMap(infos, tuple(surveyor.sites.values()), tuple(surveyor.norms))


def _distinct_names(calls: Sequence[Call]) -> list[str]:
    """Layer names; with those around them where two share one, ``#2`` for a second call."""
    owners: dict[str, set[int]] = {}
    for call in calls:
        owners.setdefault(call.layer.name, set()).add(id(call.layer))
    names: list[str] = []
    for call in calls:
        shared = len(owners[call.layer.name]) > 1
        name = "/".join((*call.inside, call.layer.name)) if shared else call.layer.name
        name = f"{name}#{call.number + 1}" if call.number else name
        repeats = sum(other == name or other.startswith(f"{name}~") for other in names)
        names.append(f"{name}~{repeats + 1}" if repeats else name)
    return names


def _without_derivative(layer: Any, name: str | None, entry: Activation | None) -> dict[str, str]:
    """Why phi' is not known, for the statistics that are made of it."""
    if isinstance(layer, kinds.LOOPS):
        return dict.fromkeys(DERIVATIVE, "its activations act inside its loop, out of reach")
    if entry is None:
        return dict.fromkeys(DERIVATIVE, f"the derivative of {name} is not in the catalog")
    if not entry.hidden:
        return dict.fromkeys(DERIVATIVE, f"{name} does not act on each value alone")
    return {}


def _unit_axes(call: Call, at: int) -> tuple[int, ...]:
    return kinds.unit_axes(call.layer, call.outputs[at].shape.rank) if at >= 0 else ()


def _units(call: Call, at: int, axes: Sequence[int]) -> int | None:
    sizes = [call.outputs[at].shape[axis] for axis in axes]
    return math.prod(int(size) for size in sizes) if sizes and all(sizes) else None
