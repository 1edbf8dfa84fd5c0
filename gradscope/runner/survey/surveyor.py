"""Make the layer table and the sites from the recorded calls of one forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from gradscope.catalog.activations import Activation
from gradscope.record import LayerInfo
from gradscope.record.layers import Normalization, Role, Trait
from gradscope.record.layers import UnmeasuredReason as Reason
from gradscope.record.statistics import MeasuredAt, measured_at
from gradscope.runner.survey import layer_kinds, layer_weights, recurrent
from gradscope.runner.survey.calls import Call, CallRecorder
from gradscope.runner.survey.graph_reachability import ReachedTensors, tensor_name
from gradscope.runner.survey.sites import BatchNormSite, Site, SiteMap

SIGNAL = measured_at(MeasuredAt.SIGNAL)
KERNEL = measured_at(MeasuredAt.KERNEL)
BIAS = measured_at(MeasuredAt.BIAS)
DERIVATIVE = measured_at(MeasuredAt.DERIVATIVE, MeasuredAt.PROBE_SET)

Missing = dict[str, Reason]


@dataclass
class _Origin:
    """The weight layer whose signal a tensor carries, and what was applied to the signal since."""

    row: int
    activated: bool


class _Surveyor:
    """Makes the rows of the layer table, call by call, in the order of the data."""

    def __init__(self, reached: ReachedTensors) -> None:
        self.infos: list[LayerInfo] = []
        self.calls: list[Call] = []
        self.sites: dict[int, Site] = {}
        self.norms: list[BatchNormSite] = []
        self._activation_owners: dict[int, int] = {}
        self._reached = reached
        self._origins: dict[Any, _Origin] = {}
        self._visits: dict[Trait, Callable[[Call], None]] = {
            Trait.NORMALIZATION: self._normalization,
            Trait.ACTIVATION: self._activation_layer,
            Trait.RANDOM: self._dropout,
            Trait.UNCHANGED_VALUES: lambda call: self._pass_on(call, Reason.UNCHANGED_VALUES),
            Trait.MOVED_VALUES: self._mover,
        }

    def visit(self, call: Call) -> None:
        """Add the row of one call; a layer that only calls others has none."""
        if call.calls_others and not layer_weights.direct_weights(call.layer):
            return
        if layer_weights.weight_matrices(call.layer):
            self._weights(call)
            return
        traits = layer_kinds.traits_of(call.layer)
        visits = [visit for trait, visit in self._visits.items() if trait in traits]
        (visits or [self._structure])[0](call)

    def _row(self, call: Call, role: Role, *, reason: Reason | None = None, **facts: Any) -> int:
        index = len(self.infos)
        self.calls.append(call)
        self.infos.append(
            LayerInfo(
                index=index,
                name=call.layer.name,
                kind=type(call.layer).__name__,
                role=role,
                traits=layer_kinds.traits_of(call.layer),
                parameters=layer_weights.parameter_count(call.layer),
                measured=reason is None,
                reason=reason,
                frozen=layer_weights.is_frozen(call.layer),
                **facts,
            )
        )
        return index

    def _weights(self, call: Call) -> None:
        layer = call.layer
        name, entry, parameters = layer_kinds.activation_of(layer)
        fans = layer_weights.fans(layer)
        initializer, initializer_parameters = layer_weights.initializer_of(layer)
        biases = layer_weights.biases_of(layer)
        at, reason = self._tensor(call)
        axes = _unit_axes(call, at)
        bias_initializer, bias_parameters = layer_weights.bias_initializer_of(layer)
        index = self._row(
            call,
            Role.HIDDEN,
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
        trained = _trained_biases(layer)
        trainable = {id(w) for w in layer.trainable_weights}
        kernels = [w for w in layer_weights.weight_matrices(layer) if id(w) in trainable]
        steps, no_profile = recurrent.time_steps(call)
        self.sites[index] = Site(
            index=index,
            key=call.key,
            output=at,
            unit_axes=axes,
            kernels=tuple(kernels),
            bias=trained[0] if len(trained) == 1 else None,
            activation=entry if entry and entry.hidden else None,
            parameters=tuple(parameters.items()),
            time_steps=steps,
        )
        missing = _missing_gradients(layer, self.sites[index]) | _missing_derivative(layer, entry)
        if no_profile:
            missing["recurrent_delta_second_moment"] = no_profile
        facts = {"time_steps": steps, "go_backwards": bool(steps and layer.go_backwards)}
        self._change(index, unmeasured=missing, **facts)
        self._origins[tensor_name(call.outputs[at])] = _Origin(index, activated=name != "linear")

    def _normalization(self, call: Call) -> None:
        at, reason = self._tensor(call)
        axes = _unit_axes(call, at)
        counted = layer_kinds.normalized_values(call.layer, call.inputs[0].shape)
        facts = {"units": _units(call, at, axes), "normalized_values": counted}
        index = self._row(call, Role.NORMALIZATION, reason=reason, **facts)
        if Trait.BATCH_NORM in self.infos[index].traits:
            self.norms.append(BatchNormSite(index, call.key, call.layer))
            missing = {} if reason else dict.fromkeys(SIGNAL, Reason.BATCH_NORM)
            self._change(index, unmeasured=missing)
        elif not reason:
            self.sites[index] = Site(index, call.key, at, unit_axes=axes)
        origin = self._origin(call)
        if origin is None or at < 0:
            return
        before, after = Normalization.BEFORE_ACTIVATION, Normalization.AFTER_ACTIVATION
        placement = after if origin.activated else before
        self._change(origin.row, normalization=placement)
        self._origins[tensor_name(call.outputs[at])] = origin

    def _activation_layer(self, call: Call) -> None:
        name, entry, parameters = layer_kinds.activation_of(call.layer)
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
        missing = _missing_derivative(call.layer, entry)
        if reason:
            self._row(call, Role.STRUCTURE, reason=reason)
        elif origin is not None and not origin.activated:
            index = self._row(call, Role.STRUCTURE, reason=Reason.ACTIVATION_OF_LAYER)
            self._activation_owners[index] = origin.row
            missing = self.infos[origin.row].unmeasured | missing
            self._change(origin.row, activation=name, activation_parameters=parameters)
            self._change(origin.row, unmeasured=missing)
            self.sites[origin.row] = replace(self.sites[origin.row], **facts)
            self._origins[tensor_name(call.outputs[at])] = replace(origin, activated=True)
        else:
            index = self._row(
                call, Role.STRUCTURE, activation=name, activation_parameters=parameters
            )
            self.sites[index] = Site(index, unit_axes=_unit_axes(call, at), **facts)
            self._change(index, unmeasured=missing)

    def _dropout(self, call: Call) -> None:
        origin = self._origin(call)
        self._pass_on(call, Reason.RANDOM_VALUES)
        if origin is not None and Trait.ALPHA_DROPOUT not in layer_kinds.traits_of(call.layer):
            self._change(origin.row, dropout=float(getattr(call.layer, "rate", 0.0)))

    def _mover(self, call: Call) -> None:
        self._row(call, Role.STRUCTURE, reason=Reason.MOVED_VALUES)

    def _pass_on(self, call: Call, reason: Reason) -> None:
        """Add a row without figures whose output carries the same signal as its input."""
        self._row(call, Role.STRUCTURE, reason=reason)
        origin, (at, _) = self._origin(call), self._tensor(call)
        if origin is not None and at >= 0:
            self._origins[tensor_name(call.outputs[at])] = origin

    def _structure(self, call: Call) -> None:
        at, reason = self._tensor(call)
        axes = _unit_axes(call, at)
        index = self._row(call, Role.STRUCTURE, units=_units(call, at, axes), reason=reason)
        if not reason:
            self.sites[index] = Site(index, call.key, at, unit_axes=axes)
        origin = self._origin(call)
        if origin is not None and isinstance(call.layer, keras.layers.Rescaling):
            # Answers in other units are still those of the layer before.
            self._origins[tensor_name(call.outputs[0])] = replace(origin, activated=True)

    def _tensor(self, call: Call) -> tuple[int, Reason | None]:
        """Which output of the call is measured, and why it cannot be: the first that is trained."""
        floating = [at for at, t in enumerate(call.outputs) if t.dtype.is_floating and t.shape.rank]
        if not floating:
            return -1, Reason.NOT_FLOATING_POINT
        reached = [at for at in floating if self._reached.has(call.outputs[at])]
        if not reached:
            return floating[0], Reason.NO_GRADIENT
        if not call.outputs[reached[0]].shape.is_fully_defined():
            return reached[0], Reason.UNKNOWN_SHAPE
        return reached[0], None

    def _origin(self, call: Call) -> _Origin | None:
        return self._origins.get(tensor_name(call.inputs[0])) if call.inputs else None

    def _change(self, row: int, **facts: Any) -> None:
        self.infos[row] = replace(self.infos[row], **facts)

    def uncalled(self, layer: Any) -> None:
        """Add a layer that the pass left out, unless it only holds other layers."""
        if layer_weights.direct_weights(layer) or not layer._layers:
            self._row(Call(layer, 0), Role.STRUCTURE, reason=Reason.NOT_CALLED)

    def model_itself(self, model: Any) -> None:
        """Add the weights that belong to the model and to none of its layers."""
        if model is not None and model._trainable_variables:
            self._row(Call(model, 0), Role.STRUCTURE, reason=Reason.MODEL_WEIGHTS)

    def close(self, outputs: Sequence[Any]) -> None:
        """Set what is known only after the last call: output layers, placements of norms."""
        ends = {tensor_name(tensor) for tensor in outputs}
        for tensor, origin in self._origins.items():
            if tensor in ends:
                self._change(origin.row, role=Role.OUTPUT)
        before, after = Normalization.BEFORE_ACTIVATION, Normalization.AFTER_ACTIVATION
        for info in list(self.infos):
            pending = info.activation == "linear" and info.normalization == before
            if pending and not self._activated_later(info.index):
                self._change(info.index, normalization=after)

    def named_layers(self) -> tuple[LayerInfo, ...]:
        """The rows under names that no two of them share."""
        names = _distinct_names(self.calls)
        for row, owner in self._activation_owners.items():
            self._change(row, activation_of=names[owner])
        pairs = zip(self.infos, names, strict=True)
        return tuple(replace(info, name=name) for info, name in pairs)

    def _activated_later(self, row: int) -> bool:
        return any(o.row == row and o.activated for o in self._origins.values())


def survey(
    model: Any,
    layers: Sequence[Any],
    recorder: CallRecorder,
    outputs: Any,
    reached: ReachedTensors,
) -> SiteMap:
    """Make the layer table of `model` from one traced forward pass, recorded by `recorder`.

    `reached` are the tensors that a gradient of the loss comes back to. Rows stand in the order in
    which the calls ended, which is the order of the data. Layers that the pass did not call are
    listed last. `model` is None where several models are trained.
    """
    surveyor = _Surveyor(reached)
    for call in recorder.calls:
        surveyor.visit(call)
    surveyor.close(keras.tree.flatten(outputs))
    called = {id(call.layer) for call in recorder.calls}
    for layer in layers:
        if id(layer) not in called and not isinstance(layer, keras.layers.InputLayer):
            surveyor.uncalled(layer)
    surveyor.model_itself(model)
    return SiteMap(
        surveyor.named_layers(),
        tuple(surveyor.sites.values()),
        tuple(surveyor.norms),
        tuple(call.key for call in surveyor.calls),
    )


def _distinct_names(calls: Sequence[Call]) -> list[str]:
    """Layer names; ``outer/name`` in a block or where two share one; ``name#2`` when repeated."""
    owners: dict[str, set[int]] = {}
    for call in calls:
        owners.setdefault(call.layer.name, set()).add(id(call.layer))
    names: list[str] = []
    for call in calls:
        owned = call.in_block or len(owners[call.layer.name]) > 1
        name = "/".join((*call.parents, call.layer.name)) if owned else call.layer.name
        name = f"{name}#{call.number + 1}" if call.number else name
        repeats = sum(other == name or other.startswith(f"{name}~") for other in names)
        names.append(f"{name}~{repeats + 1}" if repeats else name)
    return names


def _trained_biases(layer: Any) -> list[Any]:
    trainable = {id(w) for w in layer.trainable_weights}
    return [bias for bias in layer_weights.biases_of(layer) if id(bias) in trainable]


def _missing_gradients(layer: Any, site: Site) -> Missing:
    """Why kernel or bias have no figures, for the statistics that are made of them."""
    missing: Missing = {} if site.kernels else dict.fromkeys(KERNEL, Reason.FROZEN)
    if layer_weights.biases_of(layer) and site.bias is None:
        why = Reason.SEVERAL_BIASES if _trained_biases(layer) else Reason.FROZEN
        missing |= dict.fromkeys(BIAS, why)
    return missing


def _missing_derivative(layer: Any, entry: Activation | None) -> Missing:
    """Why phi' is not known, for the statistics that are made of it."""
    if layer_kinds.has_trait(layer, Trait.LOOP):
        return dict.fromkeys(DERIVATIVE, Reason.ACTIVATION_IN_LOOP)
    if entry is None:
        return dict.fromkeys(DERIVATIVE, Reason.UNKNOWN_DERIVATIVE)
    if not entry.hidden:
        return dict.fromkeys(DERIVATIVE, Reason.NOT_ELEMENTWISE)
    return {}


def _unit_axes(call: Call, at: int) -> tuple[int, ...]:
    return layer_kinds.unit_axes(call.layer, call.outputs[at].shape.rank) if at >= 0 else ()


def _units(call: Call, at: int, axes: Sequence[int]) -> int | None:
    sizes = [call.outputs[at].shape[axis] for axis in axes]
    return math.prod(int(size) for size in sizes) if sizes and all(sizes) else None
