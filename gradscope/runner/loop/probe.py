"""Measure the probe set: the same samples each time, for what one batch is too small to show."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.record import Histogram
from gradscope.record.run_record import Floats, Integers
from gradscope.runner.objective.objective import Objective
from gradscope.runner.runtime.preserved_state import preserved_model_state
from gradscope.runner.step.signal_figures import Signal
from gradscope.runner.survey.calls import recordable_layers, recording
from gradscope.runner.survey.sites import Site, SiteMap

PREACTIVATION_EDGES: Floats = np.sinh(np.linspace(-10.0, 10.0, 81))
"""Evenly spaced in asinh(z): linear bins of 0.25 around zero, logarithmic ones out to 11000."""

LOG_DELTA_EDGES: Floats = np.linspace(-40.0, 12.0, 209)
"""Quarter decades of |delta| over the whole range of normal float32 values that errors take."""

FIRST_SAMPLES = 64
"""Samples that are tried before the rest of the probe set, to find the living units."""

Arrays = dict[int, npt.NDArray[Any]]


@dataclass(frozen=True)
class ProbeResult:
    """The probe set's tensors at one step, by layer index, each [sample, ...].

    `delta` is empty where no backward pass was made; `dead` is the share of dead units per layer.
    """

    z: Arrays
    delta: Arrays
    dead: Floats


def measure_probe(
    model: Any,
    sites: SiteMap,
    batch: tuple[Any, ...],
    objective: Objective,
    *,
    backward: bool,
    scale: Any = 1.0,
) -> ProbeResult:
    """Pass the probe set through the network in training mode, and restore its state.

    `scale` multiplies the loss, so that small gradients are not lost; delta is given without it.
    Moving statistics and the state of dropout are restored, so that training goes on bit for bit as
    without the pass.
    """
    x, y, *rest = batch
    deltas: list[Any] = []
    with preserved_model_state(model):
        maybe_tape: Any = tf.GradientTape() if backward else contextlib.nullcontext()
        with maybe_tape as tape:
            watch = tape.watch if tape is not None else None
            with recording(recordable_layers(model), watch, sites.keys) as recorder:
                outputs = model(x, training=True)
            weights = rest[0] if rest else None
            loss = objective.loss(model, x, y, outputs, weights) * scale if backward else None
        calls = {call.key: call for call in recorder.calls}
        signals = [Signal.from_call(site, calls[site.key]) for site in sites.sites]
        if backward:
            zero = tf.UnconnectedGradients.ZERO
            deltas = tape.gradient(loss, [s.z for s in signals], unconnected_gradients=zero)
    samples = len(keras.tree.flatten(x)[0]) / float(scale)
    return probe_result(sites, [signal.z for signal in signals], deltas, samples)


def forward_pass(model: Any, sites: SiteMap, *, traced: bool) -> Callable[[Any], list[Any]]:
    """Make the function that passes inputs through the network and returns each site's z.

    It runs in training mode. `traced` saves time from the third pass on; use it for a model whose
    calls all do the same.
    """

    def z_of(x: Any) -> list[Any]:
        with recording(recordable_layers(model), None, sites.keys) as recorder:
            model(x, training=True)
        calls = {call.key: call for call in recorder.calls}
        return [Signal.from_call(site, calls[site.key]).z for site in sites.sites]

    return tf.function(z_of) if traced else z_of


def dead_fraction(
    model: Any, sites: SiteMap, x: Any, forward: Callable[[Any], list[Any]]
) -> Floats:
    """Share of dead units per layer on the inputs `x`; the model's state is restored."""
    with preserved_model_state(model):
        passed = zip(sites.sites, forward(x), strict=True)
        z = {site.index: _wide(tensor.numpy()) for site, tensor in passed}
    return _dead(sites.sites, z, len(sites.layers))


def probe_result(
    sites: SiteMap, z: Sequence[Any], deltas: Sequence[Any], samples: float
) -> ProbeResult:
    """Make the result from the eager tensors of a pass over `samples` samples, in sites' order."""
    indices = [site.index for site in sites.sites]
    values = {index: _wide(tensor.numpy()) for index, tensor in zip(indices, z, strict=True)}
    delta = {
        index: tf.convert_to_tensor(d).numpy().astype(np.float64) * samples
        for index, d in zip(indices, deltas, strict=False)
    }
    return ProbeResult(values, delta, _dead(sites.sites, values, len(sites.layers)))


def _wide(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """At least float32: numpy makes no histograms of bfloat16."""
    return values.astype(np.float32) if values.dtype.itemsize < 4 else values


def _dead(sites: Sequence[Site], z: Arrays, layers: int) -> Floats:
    """Share of each layer's units that let no gradient pass for any sample, [layer].

    A unit (a channel, where there are positions) is dead when phi'(z) is exactly zero for every
    sample and position; NaN for layers without an activation that the catalog knows.
    """
    shares = np.full(layers, np.nan)
    for site in sites:
        if site.activation is not None:
            shares[site.index] = np.mean(~_alive(site, z[site.index]))
    return shares


def _alive(site: Site, z: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which units of z [sample, ...] let a gradient pass for at least one sample and position.

    A few samples decide for most units; the other samples are tried for the remaining units only.
    """
    if site.trained_parameter is not None:
        passing = _derivative(site, z) != 0
        alive: npt.NDArray[np.bool_] = np.any(_by_unit(site, passing), axis=0)
        return alive
    units = _by_unit(site, z)
    alive = np.any(_derivative(site, units[:FIRST_SAMPLES]) != 0, axis=0)
    undecided = np.flatnonzero(~alive)
    if undecided.size:
        alive[undecided] = np.any(_derivative(site, units[FIRST_SAMPLES:, undecided]) != 0, axis=0)
    return alive


def _by_unit(site: Site, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values as [sample or position, unit]."""
    axes = site.unit_axes or (values.ndim - 1,)
    last = np.moveaxis(values, axes, range(-len(axes), 0))
    return last.reshape(-1, math.prod(values.shape[axis] for axis in axes))


def _derivative(site: Site, z: npt.NDArray[Any]) -> Floats:
    assert site.activation is not None
    parameters: dict[str, Any] = dict(site.parameters)
    if site.activation.trained_parameter:
        alpha = np.asarray(site.trained_parameter, np.float64)
        parameters[site.activation.trained_parameter] = alpha
    with np.errstate(all="ignore"):
        return np.asarray(site.activation.derivative(z.astype(np.float64), NUMPY_OPS, **parameters))


def histograms(layers: int, result: ProbeResult, step: int) -> dict[str, Histogram]:
    """Count the pre-activations, and log10 |delta| where there is a delta, per layer."""
    by_name = {"preactivation": _counted("z", result.z, PREACTIVATION_EDGES, step, layers)}
    if result.delta:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = {index: np.log10(np.abs(delta)) for index, delta in result.delta.items()}
        by_name["log10_abs_delta"] = _counted("log10 |delta|", logs, LOG_DELTA_EDGES, step, layers)
    return by_name


def _counted(quantity: str, values: Arrays, edges: Floats, step: int, layers: int) -> Histogram:
    counts: Integers = np.zeros((1, layers, len(edges) - 1), np.int64)
    outside: Integers = np.zeros((1, layers), np.int64)
    for index, array in values.items():
        finite = array[np.isfinite(array)]
        counts[0, index] = np.histogram(finite, edges)[0]
        outside[0, index] = array.size - counts[0, index].sum()
    return Histogram(quantity, np.array([step], np.int64), edges, counts, outside)
