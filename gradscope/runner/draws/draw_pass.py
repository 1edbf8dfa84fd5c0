"""One forward and backward pass with the figures that draws are compared by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.record.initial_draws import LAYER_FIGURES, CallTensors, LinearMap
from gradscope.runner.draws.call_tensors import call_tensors
from gradscope.runner.draws.linear_maps import UnitMap, second_moment, unit_map
from gradscope.runner.objective import loss_scale
from gradscope.runner.runtime.attribute_patch import patched_attribute
from gradscope.runner.runtime.trace_by_shape import TraceByShape
from gradscope.runner.step.measured_step import over_time
from gradscope.runner.step.signal_figures import Signal
from gradscope.runner.survey.calls import Call, CallKey, recordable_layers, recording
from gradscope.runner.survey.graph_reachability import tensor_name
from gradscope.runner.survey.sites import SiteMap


@dataclass(frozen=True)
class _Mapped:
    """A call of a linear layer: its row, its map, and whether its weights have a mean."""

    row: int
    unit: UnitMap
    layer: Any
    key: CallKey
    shifted: bool


class DrawPass:
    """Measures a pass as the run does, with the rule of each linear layer and all second moments.

    ``run(batch)`` gives float64 tensors: the layers' figures [3, layer], the maps' [5, map], the
    weights' [2, weight], the second moments of all tensors and of their deltas [2, tensor] and
    delta over the time steps of recurrent layers [1, time step].
    `maps` and `calls`, which say what the columns are, are known once it was called.
    """

    def __init__(self, model: Any, sites: SiteMap, objective: Any, optimizer: Any) -> None:
        self._model, self._sites = model, sites
        self._objective, self._optimizer = objective, optimizer
        self._layers = recordable_layers(model)
        self._mapped = list(self._linear_calls())
        self.maps: tuple[LinearMap, ...] = ()
        self.calls: tuple[CallTensors, ...] = ()
        self.run = TraceByShape(self._measure)

    def _linear_calls(self) -> Iterator[_Mapped]:
        layers = {id(layer): layer for layer in self._layers}
        for info, key in zip(self._sites.layers, self._sites.calls, strict=True):
            layer = layers.get(key[0])
            if layer is None or not info.measured or not layer.built:
                continue
            unit = unit_map(layer)
            if unit is not None:
                yield _Mapped(info.index, unit, layer, key, _have_mean(unit.weights))

    def _measure(self, batch: Any) -> tuple[Any, ...]:
        x, y, *rest = batch
        sites = self._sites.sites
        with (
            tf.GradientTape() as tape,
            _copied_inputs(self._mapped, tape.watch) as copies,
            recording(self._layers, tape.watch, self._sites.keys) as recorder,
        ):
            outputs = self._model(x, training=True)
            loss = self._objective.loss(self._model, x, y, outputs, rest[0] if rest else None)
            scaled = self._optimizer.scale_loss(loss)
        calls = {call.key: call for call in recorder.calls}
        signals = [Signal.from_call(site, calls[site.key]) for site in sites]
        mapped = [item for item in self._mapped if item.key in copies]
        outs = [_linear_output(calls[item.key]) for item in mapped]
        fed = [copies[item.key] for item in mapped]
        tensors, self.calls = call_tensors(self._sites, calls)
        timed = [site for site in sites if site.time_steps]
        zeros = [calls[site.key].zeros for site in timed]
        sources = ([signal.z for signal in signals], outs, fed, tensors, zeros)
        deltas, out_deltas, fed_deltas, tensor_deltas, over = tape.gradient(scaled, sources)
        deltas = [
            tf.zeros_like(s.z) if d is None else tf.convert_to_tensor(d)
            for d, s in zip(deltas, signals, strict=True)
        ]
        samples = int(keras.tree.flatten(x)[0].shape[0])
        scale = samples / loss_scale.current_scale(self._optimizer)
        squares = _SecondMoments()
        packed = _layer_figures(signals, deltas, scale, len(self._sites.layers), squares)
        rows = [
            _map_figures(item, x_, z, both, float(samples))
            for item, x_, z, *both in zip(mapped, fed, outs, out_deltas, fed_deltas, strict=True)
        ]
        positions = {id(weight): at for at, weight in enumerate(self._model.weights)}
        self.maps = tuple(
            LinearMap(item.row, tuple(positions[id(w)] for w in item.unit.weights))
            for item in mapped
        )
        moments = [list(map(squares, tensors)), _delta_moments(tensor_deltas, scale)]
        weights = [_weight_figures(weight) for weight in self._model.weights]
        nothing = tf.zeros([5, 0], tf.float64)
        times = over_time(timed, calls, over, scale)
        return (
            packed,
            tf.stack(rows, 1) if rows else nothing,
            tf.stack(weights, 1) if weights else nothing[:2],
            tf.stack(moments) if tensors else nothing[:2],
            tf.concat(times, 0)[tf.newaxis] if times else nothing[:1],
        )


def _have_mean(weights: Sequence[Any]) -> bool:
    """Whether one kernel's mean is beyond two standard errors: else its map need not be taken."""
    if len(weights) != 1:
        return False
    values = np.asarray(weights[0].value, np.float64)
    return bool(abs(values.mean()) > 2.0 * values.std() / math.sqrt(values.size))


@contextmanager
def _copied_inputs(mapped: Sequence[_Mapped], watch: Any) -> Iterator[dict[CallKey, Any]]:
    """Give each call of a linear layer a copy of its input, so that its gradient is that call's.

    An input that other layers read as well would have the sum of all gradients.
    """
    copies: dict[CallKey, Any] = {}
    counts: dict[int, int] = {}

    def copied(layer: Any) -> Any:
        original = layer.call

        def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            number = counts.get(id(layer), 0)
            counts[id(layer)] = number + 1
            if not inputs.dtype.is_floating and not isinstance(layer, keras.layers.Embedding):
                return original(inputs, *args, **kwargs)
            copy = tf.identity(inputs)
            if copy.dtype.is_floating:
                watch(copy)
            copies[(id(layer), number)] = copy
            return original(copy, *args, **kwargs)

        return call

    with ExitStack() as stack:
        for layer in {id(item.layer): item.layer for item in mapped}.values():
            stack.enter_context(patched_attribute(layer, "call", copied(layer)))
        yield copies


class _SecondMoments:
    """E x^2 of tensors, each computed once."""

    def __init__(self) -> None:
        self._computed: dict[Any, Any] = {}

    def __call__(self, tensor: Any) -> Any:
        name = tensor_name(tensor)
        if name not in self._computed:
            self._computed[name] = second_moment(tensor)
        return self._computed[name]


def _layer_figures(
    signals: Sequence[Signal],
    deltas: Sequence[Any],
    scale: Any,
    layers: int,
    squares: _SecondMoments,
) -> Any:
    """The rows of `LAYER_FIGURES` [3, layer], NaN where no signal is."""
    if not signals:
        return tf.fill([len(LAYER_FIGURES), layers], tf.constant(math.nan, tf.float64))
    block = [
        [squares(signal.z) for signal in signals],
        [squares(signal.a) for signal in signals],
        _delta_moments(deltas, scale),
    ]
    positions = {signal.site.index: at for at, signal in enumerate(signals)}
    nothing = tf.fill([len(LAYER_FIGURES), 1], tf.constant(math.nan, tf.float64))
    columns = [positions.get(index, len(signals)) for index in range(layers)]
    return tf.gather(tf.concat([tf.stack(block), nothing], 1), columns, axis=1)


def _linear_output(call: Call) -> Any:
    """What the layer gives before its activation."""
    return call.outputs[0] if call.z is None else call.z


def _map_figures(item: _Mapped, x: Any, z: Any, deltas: Sequence[Any], samples: float) -> Any:
    """The figures of `MAP_FIGURES`; those of delta are NaN where no gradient comes back."""
    dz, dx = deltas
    nan = tf.constant(math.nan, tf.float64)
    bias = getattr(item.layer, "bias", None)
    linear = z if bias is None else tf.cast(z, tf.float32) - tf.cast(bias, tf.float32)
    back = (nan, nan)
    if dz is not None and dx is not None:
        dz, dx = tf.convert_to_tensor(dz), tf.convert_to_tensor(dx)
        base = samples**2
        back = (second_moment(dx) * base, item.unit.transposed(dz, x) * base)
    shifted = item.unit.mean_response(x) if item.shifted else nan
    return tf.stack([second_moment(linear), item.unit.response(x), shifted, *back])


def _delta_moments(deltas: Sequence[Any], scale: Any) -> list[Any]:
    """E delta^2 of each tensor, NaN where no gradient comes back."""
    nan = tf.constant(math.nan, tf.float64)
    square = tf.cast(scale, tf.float64) ** 2
    return [
        nan if delta is None else second_moment(tf.convert_to_tensor(delta)) * square
        for delta in deltas
    ]


def _weight_figures(weight: Any) -> Any:
    values = tf.cast(tf.convert_to_tensor(weight.value), tf.float64)
    return tf.stack([tf.reduce_mean(values), tf.reduce_mean(tf.square(values))])
