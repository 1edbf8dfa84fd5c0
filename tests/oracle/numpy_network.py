"""An MLP's forward and backward pass in float64 numpy, written from the maths.

Nothing here comes from TensorFlow, Keras or gradscope, so that agreement with them means something.

A block is Dense -> [batch norm] -> activation -> [batch norm] -> [dropout mask]; the batch norm
stands at one of its two places or at none. The last layer is the output: its activation decides
the loss (softmax: sparse categorical cross-entropy, sigmoid: binary cross-entropy of one unit,
linear: mean squared error over the last axis). The loss is the mean over samples.

z is what the activation receives, a = phi(z) before any later batch norm or dropout, and
delta = (dL/dz) * batch size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tests.oracle.activations import (
    Floats,
    Parameters,
    activate,
    derivative,
    largest_derivative,
    sigmoid,
    softplus,
)

SMALLEST_NORMAL_FLOAT32 = 2.0**-126
BATCH_NORM = (
    *("batch_norm_mean_gap", "batch_norm_variance_ratio"),
    *("batch_norm_gamma_mean", "batch_norm_gamma_second_moment", "batch_norm_beta_second_moment"),
)
KINKED = ("relu", "leaky_relu", "elu", "selu")


@dataclass(frozen=True)
class BatchNorm:
    gamma: Floats
    beta: Floats
    moving_mean: Floats
    moving_variance: Floats
    epsilon: float = 1e-3


@dataclass(frozen=True)
class DenseLayer:
    """`kernel` [inputs, units]; `placement` is ``before_activation`` or ``after_activation``."""

    kernel: Floats
    bias: Floats | None = None
    activation: str = "linear"
    activation_parameters: Parameters = field(default_factory=dict)
    batch_norm: BatchNorm | None = None
    placement: str = "before_activation"

    def __post_init__(self) -> None:
        if self.placement not in ("before_activation", "after_activation"):
            raise ValueError(f"unknown placement {self.placement!r}")


@dataclass(frozen=True)
class Network:
    layers: tuple[DenseLayer, ...]
    input_batch_norm: BatchNorm | None = None


@dataclass(frozen=True)
class BatchNormPass:
    """`mean` and `variance` are the batch's, also where inference mode used the moving ones."""

    batch_norm: BatchNorm
    mean: Floats
    variance: Floats
    normalized: Floats
    gamma_gradient: Floats | None = None
    beta_gradient: Floats | None = None

    def moved(self, momentum: float) -> tuple[Floats, Floats]:
        """Moving mean and variance after this batch."""
        mean = momentum * self.batch_norm.moving_mean + (1.0 - momentum) * self.mean
        variance = momentum * self.batch_norm.moving_variance + (1.0 - momentum) * self.variance
        return mean, variance


@dataclass(frozen=True)
class LayerPass:
    """Gradients are those of the mean loss; None before the backward pass (and without a bias)."""

    layer: DenseLayer
    inputs: Floats
    z: Floats
    a: Floats
    batch_norm: BatchNormPass | None
    mask: Floats | None
    delta: Floats | None = None
    kernel_gradient: Floats | None = None
    bias_gradient: Floats | None = None


@dataclass(frozen=True)
class PassResult:
    """`loss` is None when no targets were given."""

    output: Floats
    layers: tuple[LayerPass, ...]
    input_batch_norm: BatchNormPass | None
    loss: float | None = None


def rounded_to_float32(network: Network) -> Network:
    """The network with every parameter rounded to float32 and kept as float64."""

    def norm(batch_norm: BatchNorm | None) -> BatchNorm | None:
        if batch_norm is None:
            return None
        arrays = {name: _rounded(value) for name, value in vars(batch_norm).items()}
        return BatchNorm(**{**arrays, "epsilon": float(arrays["epsilon"])})

    layers = tuple(
        replace(
            layer,
            kernel=_rounded(layer.kernel),
            bias=None if layer.bias is None else _rounded(layer.bias),
            batch_norm=norm(layer.batch_norm),
        )
        for layer in network.layers
    )
    return Network(layers, norm(network.input_batch_norm))


def _rounded(values: npt.ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def forward(
    network: Network,
    x: npt.ArrayLike,
    *,
    masks: Mapping[int, Floats] | None = None,
    z_offsets: Mapping[int, Floats] | None = None,
    training: bool = True,
) -> PassResult:
    """Without loss and gradients. `masks` multiply a block's output, scale 1 / (1 - rate) included.

    `z_offsets` are added to z (for finite differences); both count layers from 0.
    `training=False` takes the moving statistics, as a probe in inference mode does.
    """
    signal = np.asarray(x, dtype=np.float64)
    signal = signal.reshape(signal.shape[0], -1)
    with np.errstate(all="ignore"):
        input_norm = None
        if network.input_batch_norm is not None:
            signal, input_norm = _normalize(network.input_batch_norm, signal, training)
        passes = []
        for index, layer in enumerate(network.layers):
            inputs, norm = signal, None
            z = inputs @ layer.kernel + (0.0 if layer.bias is None else layer.bias)
            if layer.batch_norm is not None and layer.placement == "before_activation":
                z, norm = _normalize(layer.batch_norm, z, training)
            z = z + (z_offsets or {}).get(index, 0.0)
            signal = a = _activated(layer, z)
            if layer.batch_norm is not None and layer.placement == "after_activation":
                signal, norm = _normalize(layer.batch_norm, signal, training)
            mask = (masks or {}).get(index)
            signal = signal if mask is None else signal * mask
            passes.append(LayerPass(layer, inputs, z, a, norm, mask))
    return PassResult(signal, tuple(passes), input_norm)


def _activated(layer: DenseLayer, z: Floats) -> Floats:
    if layer.activation != "softmax":
        return activate(layer.activation, z, layer.activation_parameters)
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _normalize(norm: BatchNorm, x: Floats, training: bool) -> tuple[Floats, BatchNormPass]:
    mean = x.mean(axis=0)
    variance = np.square(x - mean).mean(axis=0)
    centre, spread = (mean, variance) if training else (norm.moving_mean, norm.moving_variance)
    normalized = (x - centre) / np.sqrt(spread + norm.epsilon)
    output = norm.gamma * normalized + norm.beta
    return output, BatchNormPass(norm, mean, variance, normalized)


def run(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    masks: Mapping[int, Floats] | None = None,
    z_offsets: Mapping[int, Floats] | None = None,
    float32_values: bool = False,
) -> PassResult:
    """Forward and backward pass in training mode; `float32_values` rounds weights and x first."""
    last = network.layers[-1]
    if last.batch_norm is not None or (masks and len(network.layers) - 1 in masks):
        raise ValueError("the output layer has no batch norm and no dropout")
    if float32_values:
        network, x = rounded_to_float32(network), _rounded(x)
    result = forward(network, x, masks=masks, z_offsets=z_offsets)
    with np.errstate(all="ignore"):
        loss, dz = _loss(last.activation, result.layers[-1], np.asarray(y))
        done, upstream = _through_dense(result.layers[-1], dz)
        layers = [done]
        for hidden in reversed(result.layers[:-1]):
            dz, done = _through_block(hidden, upstream)
            done, upstream = _through_dense(done, dz)
            layers.insert(0, done)
        input_norm = result.input_batch_norm
        if input_norm is not None:
            _, input_norm = _through_batch_norm(input_norm, upstream)
    return PassResult(result.output, tuple(layers), input_norm, loss)


def _loss(activation: str, output: LayerPass, y: npt.NDArray[np.generic]) -> tuple[float, Floats]:
    """The mean loss and its gradient with respect to the output's z."""
    z, batch = output.z, output.z.shape[0]
    if activation == "softmax":
        rows, labels = np.arange(batch), y.reshape(batch).astype(int)
        shifted = z - z.max(axis=1, keepdims=True)
        per_sample = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]
        return float(per_sample.mean()), (output.a - np.eye(z.shape[1])[labels]) / batch
    targets = y.astype(np.float64).reshape(z.shape)
    if activation == "sigmoid" and z.shape[1] == 1:
        return float((softplus(z) - targets * z).mean()), (sigmoid(z) - targets) / batch
    if activation == "linear":
        error = z - targets
        return float(np.square(error).mean(axis=1).mean()), 2.0 * error / error.size
    raise ValueError(f"no loss for an output of {z.shape[1]} {activation} units")


def _through_batch_norm(norm: BatchNormPass, upstream: Floats) -> tuple[Floats, BatchNormPass]:
    """y = gamma x^ + beta with x^ = (x - mean) / s, where mean and s depend on every sample too."""
    gamma_gradient = (upstream * norm.normalized).sum(axis=0)
    done = replace(norm, gamma_gradient=gamma_gradient, beta_gradient=upstream.sum(axis=0))
    direct = upstream * norm.batch_norm.gamma
    through_mean = direct.mean(axis=0)
    through_spread = norm.normalized * (direct * norm.normalized).mean(axis=0)
    spread = np.sqrt(norm.variance + norm.batch_norm.epsilon)
    return (direct - through_mean - through_spread) / spread, done


def _through_block(one: LayerPass, upstream: Floats) -> tuple[Floats, LayerPass]:
    """From the block's output back to z: dropout, the later batch norm, the activation."""
    layer = one.layer
    if one.mask is not None:
        upstream = upstream * one.mask
    if one.batch_norm is not None and layer.placement == "after_activation":
        upstream, norm = _through_batch_norm(one.batch_norm, upstream)
        one = replace(one, batch_norm=norm)
    slope = derivative(layer.activation, one.z, layer.activation_parameters)
    return upstream * slope, one


def _through_dense(one: LayerPass, dz: Floats) -> tuple[LayerPass, Floats]:
    """From z back to the block's inputs: the earlier batch norm, W x + b."""
    delta, norm, before = dz * dz.shape[0], one.batch_norm, dz
    if norm is not None and one.layer.placement == "before_activation":
        before, norm = _through_batch_norm(norm, dz)
    done = replace(
        one,
        delta=delta,
        batch_norm=norm,
        kernel_gradient=one.inputs.T @ before,
        bias_gradient=None if one.layer.bias is None else before.sum(axis=0),
    )
    return done, before @ one.layer.kernel.T


# --- the statistics, by the names of gradscope's table -------------------------------------------


@np.errstate(all="ignore")
def statistics(
    result: PassResult,
    index: int,
    *,
    learning_rate: float | None = None,
    probe: PassResult | None = None,
) -> dict[str, float]:
    """Every statistic of one layer; NaN where it is not defined or its input was not given.

    `learning_rate` is that of plain SGD and gives `update_ratio` and the kernel after the update;
    `probe` is a forward pass over the probe set and gives `dead_fraction`.
    """
    one = result.layers[index]
    if one.delta is None or one.kernel_gradient is None:
        raise ValueError("statistics need a backward pass: use run")
    kernel, gradients = one.layer.kernel, [one.kernel_gradient]
    if one.bias_gradient is not None:
        gradients.append(one.bias_gradient)
    forward_count = _nonfinite(one.z, one.a)
    backward_count = _nonfinite(one.delta, *gradients)
    updated = kernel if learning_rate is None else kernel - learning_rate * one.kernel_gradient
    weight = second_moment(kernel)
    ratio = math.nan
    if learning_rate is not None and weight > 0.0:
        ratio = learning_rate * math.sqrt(second_moment(one.kernel_gradient) / weight)
    return {
        "preactivation_second_moment": second_moment(one.z),
        "preactivation_variance": variance(one.z),
        "activation_mean": _mean(one.a),
        "activation_second_moment": second_moment(one.a),
        "activation_variance": variance(one.a),
        "activation_sample_variance": _mean([variance(unit) for unit in one.a.T]),
        "delta_second_moment": second_moment(one.delta),
        "delta_variance": variance(one.delta),
        "kernel_gradient_second_moment": second_moment(one.kernel_gradient),
        "kernel_gradient_variance": variance(one.kernel_gradient),
        "bias_gradient_second_moment": second_moment(one.bias_gradient),
        "update_ratio": ratio,
        "dead_fraction": math.nan if probe is None else dead_fraction(probe.layers[index]),
        "zero_fraction": _mean(one.a == 0.0),
        "derivative_gain": derivative_gain(one),
        "nonfinite_count": float(forward_count + backward_count + _nonfinite(updated)),
        "nonfinite_forward_count": float(forward_count),
        "nonfinite_backward_count": float(backward_count),
        "underflow_fraction": underflow_fraction(one),
        **batch_norm_statistics(one.batch_norm),
        "weight_second_moment": weight,
        "weight_variance": variance(kernel),
    }


def second_moment(values: Floats | None) -> float:
    return math.nan if values is None else _mean(np.square(values))


def variance(values: Floats) -> float:
    """Population variance in two passes."""
    return _mean(np.square(values - _mean(values)))


def _mean(values: npt.ArrayLike) -> float:
    """Correctly rounded sum over count; NaN where a value is not finite."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    return math.fsum(flat) / flat.size if flat.size and np.isfinite(flat).all() else math.nan


def _nonfinite(*arrays: Floats) -> int:
    return sum(int(np.count_nonzero(~np.isfinite(values))) for values in arrays)


def _slopes(one: LayerPass) -> Floats | None:
    """phi'(z); None for softmax, which does not act on each value alone."""
    name, parameters = one.layer.activation, one.layer.activation_parameters
    return None if name == "softmax" else derivative(name, one.z, parameters)


def derivative_gain(one: LayerPass) -> float:
    slopes = _slopes(one)
    if slopes is None:
        return math.nan
    largest = largest_derivative(one.layer.activation, one.layer.activation_parameters)
    return _mean(slopes) / largest if math.isfinite(largest) else math.nan


def dead_fraction(one: LayerPass) -> float:
    slopes = _slopes(one)
    return math.nan if slopes is None else _mean((slopes == 0.0).all(axis=0))


def underflow_fraction(one: LayerPass) -> float:
    """Of the values whose phi' is not zero, the share whose delta float32 arithmetic flushes."""
    slopes = _slopes(one)
    expected = np.ones(one.z.shape, dtype=bool) if slopes is None else slopes != 0.0
    return _mean(np.abs(one.delta[expected]) < SMALLEST_NORMAL_FLOAT32)


def distance_to_kink(result: PassResult) -> float:
    """The smallest |z| / rms z before a kink; inf without one.

    Below about 1e-5 float32 may see the other side of a kink than this pass, and delta can then
    differ by a percent although neither is wrong: compare at another seed.
    """
    kinked = [one for one in result.layers if one.layer.activation in KINKED]
    distances = [np.abs(one.z).min() / math.sqrt(second_moment(one.z)) for one in kinked]
    return float(min(distances, default=math.inf))


def batch_norm_statistics(norm: BatchNormPass | None) -> dict[str, float]:
    """Against the moving statistics that stand in the pass's `BatchNorm`; NaN without one."""
    if norm is None:
        return dict.fromkeys(BATCH_NORM, math.nan)
    moving = norm.batch_norm.moving_variance + norm.batch_norm.epsilon
    gap = (norm.mean - norm.batch_norm.moving_mean) / np.sqrt(moving)
    ratio = (norm.variance + norm.batch_norm.epsilon) / moving
    return {
        "batch_norm_mean_gap": math.sqrt(second_moment(gap)),
        "batch_norm_variance_ratio": math.exp(_mean(np.log(ratio))),
        "batch_norm_gamma_mean": _mean(norm.batch_norm.gamma),
        "batch_norm_gamma_second_moment": second_moment(norm.batch_norm.gamma),
        "batch_norm_beta_second_moment": second_moment(norm.batch_norm.beta),
    }
