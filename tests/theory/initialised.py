"""Networks at initialisation in float64 numpy, to hold the theory's figures and bands against.

Written from Keras's documentation, not from the code under test: one forward and one backward pass
of a batch through freshly drawn weights, with the cross-entropy's own errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.record import LayerInfo

Floats = npt.NDArray[np.float64]
CUT = 0.87962566103423978


@dataclass(frozen=True)
class InitialFigures:
    """What one network shows on one batch, per hidden layer (q: and the output layer)."""

    q: Floats
    m: Floats
    delta: Floats
    kernel: Floats
    dead: Floats
    loss: float
    output_delta: float

    @property
    def delta_relative(self) -> Floats:
        relative: Floats = self.delta / self.delta[-1]
        return relative


def drawn(rng: np.random.Generator, name: str, parameters: Any, shape: tuple[int, int]) -> Floats:
    """A matrix [fan_in, fan_out] of Keras's law of this name."""
    fan_in, fan_out = shape
    families = {
        "he": (2.0, fan_in),
        "lecun": (1.0, fan_in),
        "glorot": (1.0, (fan_in + fan_out) / 2),
    }
    author, _, law = name.partition("_")
    if author in families:
        scale, fan = families[author]
        return _of_variance(rng, scale / fan, law, shape)
    if name == "variance_scaling":
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = parameters["scale"] / fans[parameters["mode"]]
        law = {"untruncated_normal": "plain", "truncated_normal": "normal"}.get(
            parameters["distribution"], parameters["distribution"]
        )
        return _of_variance(rng, variance, law, shape)
    if name == "orthogonal":
        tall = rng.standard_normal((max(shape), min(shape)))
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diag(r))
        matrix: Floats = float(parameters.get("gain", 1.0)) * (q if fan_in >= fan_out else q.T)
        return matrix
    if name in ("random_normal", "truncated_normal"):
        law, cut = ("plain", 1.0) if name == "random_normal" else ("normal", CUT)
        sigma = float(parameters.get("stddev", 0.05)) * cut
        return float(parameters.get("mean", 0.0)) + _of_variance(rng, sigma**2, law, shape)
    if name == "random_uniform":
        return rng.uniform(parameters.get("minval", -0.05), parameters.get("maxval", 0.05), shape)
    return np.full(shape, {"zeros": 0.0, "ones": 1.0}.get(name, parameters.get("value", 0.0)))


def _of_variance(
    rng: np.random.Generator, variance: float, law: str, shape: tuple[int, int]
) -> Floats:
    if law == "uniform":
        limit = math.sqrt(3.0 * variance)
        return rng.uniform(-limit, limit, shape)
    values = rng.standard_normal(shape)
    if law == "plain":
        return values * math.sqrt(variance)
    while (outside := np.abs(values) > 2.0).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values * math.sqrt(variance) / CUT


def normalised(a: Floats, epsilon: float) -> tuple[Floats, Floats]:
    """Batch norm in training mode with gamma 1 and beta 0, and the deviation it divided by."""
    deviation = np.sqrt(a.var(axis=0) + epsilon)
    return (a - a.mean(axis=0)) / deviation, deviation


def pulled_back(delta: Floats, hat: Floats, deviation: Floats) -> Floats:
    """Ioffe & Szegedy 2015, section 3: the gradient through batch norm."""
    centred = delta - delta.mean(axis=0)
    pulled: Floats = (centred - hat * (delta * hat).mean(axis=0)) / deviation
    return pulled


@dataclass(frozen=True)
class _Layer:
    """What one hidden layer leaves for the way back; `before` and `after` are batch norms."""

    w: Floats
    fed: Floats
    z: Floats
    value: Floats
    slope: Floats
    before: tuple[Floats, Floats] | None
    after: tuple[Floats, Floats] | None
    mask: Floats | None


def initialise(
    rng: np.random.Generator,
    layers: Sequence[LayerInfo],
    x: Floats,
    labels: npt.NDArray[np.int64],
    *,
    epsilon: float = 1e-3,
    input_norm: bool = False,
) -> InitialFigures:
    """One network on the batch x [sample, feature] with class labels [sample]."""
    x = x.reshape(len(x), -1).astype(np.float64)
    a = normalised(x, epsilon)[0] if input_norm else x
    *hidden, output = (layer for layer in layers if layer.role in ("hidden", "output"))
    kept: list[_Layer] = []
    for layer in hidden:
        one, a = _hidden(rng, layer, a, epsilon)
        kept.append(one)
    w, logits = _dense(rng, output, a)
    loss, delta = _error(str(output.activation), logits, labels)
    output_delta, deltas, kernels = float(np.mean(delta**2)), [], []
    delta = delta @ w.T
    for one in reversed(kept):
        delta = delta if one.mask is None else delta * one.mask
        delta = delta if one.after is None else pulled_back(delta, *one.after)
        delta = delta * one.slope
        deltas.append(float(np.mean(delta**2)))
        delta = delta if one.before is None else pulled_back(delta, *one.before)
        kernels.append(float(np.mean((one.fed.T @ delta / len(x)) ** 2)))
        delta = delta @ one.w.T
    return InitialFigures(
        q=np.array([float(np.mean(z**2)) for z in [*(one.z for one in kept), logits]]),
        m=np.array([float(np.mean(one.value**2)) for one in kept]),
        delta=np.array(deltas[::-1]),
        kernel=np.array(kernels[::-1]),
        dead=np.array([float(np.mean((one.slope == 0.0).all(axis=0))) for one in kept]),
        loss=loss,
        output_delta=output_delta,
    )


def _dense(rng: np.random.Generator, layer: LayerInfo, a: Floats) -> tuple[Floats, Floats]:
    """The kernel drawn, and W x + b."""
    shape = (int(layer.fan_in or 0), int(layer.units or 0))
    w = drawn(rng, str(layer.initializer), layer.initializer_parameters, shape)
    u = a @ w
    if layer.use_bias and layer.bias_initializer not in (None, "zeros"):
        square = (shape[1], shape[1])  # both fans of a vector are its length
        parameters = layer.bias_initializer_parameters
        u = u + drawn(rng, str(layer.bias_initializer), parameters, square)[0]
    return w, u


def _hidden(
    rng: np.random.Generator, layer: LayerInfo, fed: Floats, epsilon: float
) -> tuple[_Layer, Floats]:
    """One hidden layer, and what leaves it."""
    w, z = _dense(rng, layer, fed)
    entry, parameters = ACTIVATIONS[str(layer.activation)], layer.activation_parameters
    before = after = mask = None
    if layer.normalization == "before_activation":
        before = normalised(z, epsilon)
        z = before[0]
    value = np.asarray(entry.value(z, NUMPY_OPS, **parameters))
    slope = np.asarray(entry.derivative(z, NUMPY_OPS, **parameters))
    a = value
    if layer.normalization == "after_activation":
        after = normalised(a, epsilon)
        a = after[0]
    if layer.dropout:
        mask = (rng.random(a.shape) >= layer.dropout) / (1.0 - layer.dropout)
        a = a * mask
    return _Layer(w, fed, z, value, slope, before, after, mask), a


def _error(activation: str, z: Floats, labels: npt.NDArray[Any]) -> tuple[float, Floats]:
    """Mean loss per sample, and dL/dz of the sum over the batch."""
    rows = np.arange(len(z))
    if activation == "softmax":
        shifted = z - z.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return float(-logs[rows, labels].mean()), np.exp(logs) - np.eye(z.shape[1])[labels]
    target = labels.reshape(len(z), -1).astype(np.float64)
    if activation == "sigmoid":
        loss = np.logaddexp(0.0, z) - target * z
        return float(loss.mean()), 1.0 / (1.0 + np.exp(-z)) - target
    error = z - target
    return float(np.mean(error**2)), 2.0 * error / z.shape[1]
