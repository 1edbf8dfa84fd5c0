"""The probe set: the same samples at every look, for what one batch is too small to tell."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.record import Histogram
from gradscope.record.run_record import Floats, Integers
from gradscope.runner.model import Network
from gradscope.runner.taps import ActivationSite, listening

PREACTIVATION_EDGES: Floats = np.sinh(np.linspace(-10.0, 10.0, 81))
"""Evenly spaced in asinh(z): linear bins of 0.25 around zero, logarithmic ones out to 11000."""

LOG_DELTA_EDGES: Floats = np.linspace(-40.0, 12.0, 209)
"""Quarter decades of |delta| over the whole range of normal float32 values that errors take."""

Arrays = dict[int, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Look:
    """What the probe set showed at one step, by layer index, each [sample, unit] in float64.

    `delta` is empty unless it was asked for.
    """

    z: Arrays
    delta: Arrays


def look(network: Network, x: Any, y: Any, loss_function: Any, *, backward: bool) -> Look:
    """Send the probe set through the network in training mode, leaving no trace of the visit.

    Moving statistics and the state of dropout are put back as they were, so that training goes on
    bit for bit as it would have.
    """
    kept = [(variable, variable.numpy()) for variable in network.model.non_trainable_variables]
    sites = network.activation_sites
    deltas: list[Any] = []
    try:
        with tf.GradientTape() if backward else contextlib.nullcontext() as tape:
            with listening(sites, ()) as heard:
                outputs = network.model(x, training=True)
            loss = loss_function(y, outputs) if backward else None
        if backward:
            deltas = tape.gradient(loss, [heard.z[site.index] for site in sites])
    finally:
        for variable, value in kept:
            variable.assign(value)
    indices = [site.index for site in sites]
    return Look(
        z={index: heard.z[index].numpy().astype(np.float64) for index in indices},
        delta={
            index: delta.numpy().astype(np.float64) * len(x)
            for index, delta in zip(indices, deltas, strict=False)
        },
    )


def dead_fraction(network: Network, seen: Look) -> Floats:
    """Share of each layer's units that let no gradient pass for any sample, [layer].

    A unit is dead when phi'(z) is exactly zero for every sample of the probe set; NaN for layers
    without an activation of their own.
    """
    shares = np.full(len(network.layers), np.nan)
    for site in network.activation_sites:
        derivative = _derivative(site, seen.z[site.index])
        if derivative is not None:
            units = derivative.reshape(-1, derivative.shape[-1])
            shares[site.index] = np.mean(np.all(units == 0, axis=0))
    return shares


def _derivative(site: ActivationSite, z: Floats) -> Floats | None:
    if site.activation is None:
        return None
    parameters: dict[str, Any] = dict(site.parameters)
    if site.activation.trained_parameter:
        alpha = np.asarray(site.trained_parameter, np.float64)
        parameters[site.activation.trained_parameter] = alpha
    with np.errstate(all="ignore"):
        return np.asarray(site.activation.derivative(z, NUMPY_OPS, **parameters))


def histograms(network: Network, seen: Look, step: int) -> dict[str, Histogram]:
    """Count the pre-activations, and log10 |delta| when the look has it, per layer."""
    layers = len(network.layers)
    found = {"preactivation": _counted("z", seen.z, PREACTIVATION_EDGES, step, layers)}
    if seen.delta:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = {index: np.log10(np.abs(delta)) for index, delta in seen.delta.items()}
        found["log10_abs_delta"] = _counted("log10 |delta|", logs, LOG_DELTA_EDGES, step, layers)
    return found


def _counted(quantity: str, values: Arrays, edges: Floats, step: int, layers: int) -> Histogram:
    counts: Integers = np.zeros((1, layers, len(edges) - 1), np.int64)
    outside: Integers = np.zeros((1, layers), np.int64)
    for index, array in values.items():
        finite = array[np.isfinite(array)]
        counts[0, index] = np.histogram(finite, edges)[0]
        outside[0, index] = array.size - counts[0, index].sum()
    return Histogram(quantity, np.array([step], np.int64), edges, counts, outside)
