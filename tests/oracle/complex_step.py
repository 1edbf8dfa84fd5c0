"""Derivatives and statistics of any small network in float64 numpy, by the complex step.

dL/dz is Im L(z + ih) / h with h = 1e-30 (Squire and Trapp 1998): no subtraction, so exact to
rounding, and no backward pass that could share a mistake with the code under test. The network is a
function written from the maths on arrays that may be complex; it tells the `Trace` of every layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.oracle.activations import derivative, largest_derivative

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]
STEP = 1e-30
SMALLEST_NORMAL_FLOAT32 = 2.0**-126


def relu(z: Array) -> Array:
    return np.where(z.real > 0, z, 0)


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def elu(z: Array) -> Array:
    return np.where(z.real > 0, z, np.exp(np.where(z.real > 0, 0, z)) - 1)


def softmax(z: Array, axis: int | tuple[int, ...] = -1) -> Array:
    shifted = np.exp(z - z.real.max(axis, keepdims=True))
    return shifted / shifted.sum(axis, keepdims=True)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda z: z,
    "relu": relu,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "elu": elu,
}


@dataclass
class Row:
    """What one layer is: its z and a, whose derivative is known, which weights are its own."""

    z: Array
    a: Array
    activation: str | None
    kernels: tuple[str, ...]
    bias: str | None
    units: tuple[int, ...]


@dataclass
class Trace:
    """One forward pass; `displaced` is added to the z of one layer."""

    displaced: Mapping[str, Array] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)

    def layer(
        self,
        name: str,
        z: Array,
        activation: str | Callable[[Array], Array] | None = None,
        *,
        kernels: Sequence[str] = (),
        bias: str | None = None,
        units: tuple[int, ...] = (-1,),
    ) -> Array:
        """Tell of a layer; gives its a. `activation` is None where it has none, "linear" where it
        would apply one, a function where the derivative is not known."""
        z = z + self.displaced.get(name, 0)
        function = ACTIVATIONS[activation] if isinstance(activation, str) else activation
        a = function(z) if function else z
        known = activation if isinstance(activation, str) else None
        self.rows[name] = Row(z, a, known, tuple(kernels), bias, units)
        return a

    def weighted(
        self, name: str, z: Array, activation: str = "linear", units: tuple[int, ...] = (-1,)
    ) -> Array:
        """Tell of a layer with `name`/kernel and `name`/bias."""
        weights = {"kernels": (f"{name}/kernel",), "bias": f"{name}/bias"}
        return self.layer(name, z, activation, units=units, **weights)


Network = Callable[[Trace, Weights, Any], Any]


def mean_squared_error(outputs: Any, y: Any) -> Any:
    """Keras's, summed over several outputs."""
    if isinstance(outputs, (list, tuple)):
        return sum(mean_squared_error(o, t) for o, t in zip(outputs, y, strict=True))
    return np.mean((outputs - y) ** 2)


@dataclass(frozen=True)
class Result:
    """The rows of a pass with dL/dz by layer and dL/dw by weight, L the mean loss."""

    rows: dict[str, Row]
    loss: float
    z_gradients: dict[str, Array]
    weight_gradients: dict[str, Array]


def differentiate(
    network: Network, weights: Weights, x: Any, y: Any, loss: Callable[..., Any] | None = None
) -> Result:
    """Run the network and differentiate its loss by every z and every weight of its rows."""
    loss = loss or mean_squared_error
    trace = Trace()
    value = loss(network(trace, weights, x), y)

    def by_z(name: str, offset: Array) -> Any:
        return loss(network(Trace({name: offset}), weights, x), y)

    def by_weight(name: str, offset: Array) -> Any:
        return loss(network(Trace(), {**weights, name: weights[name] + offset}, x), y)

    names = {n for row in trace.rows.values() for n in (*row.kernels, row.bias) if n}
    return Result(
        trace.rows,
        float(np.real(value)),
        {name: slope(by_z, name, row.z.shape) for name, row in trace.rows.items()},
        {name: slope(by_weight, name, weights[name].shape) for name in sorted(names)},
    )


def slope(
    function: Callable[[str, Array], Any], name: str, shape: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """dL/d(offset) at zero for each entry."""
    found = np.zeros(shape)
    offset = np.zeros(shape, complex)
    for at in np.ndindex(*shape):
        offset[at] = 1j * STEP
        found[at] = np.imag(function(name, offset)) / STEP
        offset[at] = 0
    return found


def second_moment(values: Array) -> float:
    return math.fsum(np.square(values, dtype=np.float64).ravel()) / values.size


def variance(values: Array) -> float:
    return second_moment(values - math.fsum(values.ravel()) / values.size)


def statistics(
    result: Result,
    weights: Weights,
    name: str,
    samples: int,
    rate: float,
    frozen: Sequence[str] = (),
) -> dict[str, float]:
    """The statistics of one row in a step of plain SGD; NaN where the row has no such thing."""
    row, delta = result.rows[name], result.z_gradients[name] * samples
    slopes = np.ones(row.z.shape)
    if row.activation:
        slopes = derivative(row.activation, row.z, {})
    table = {
        "preactivation_second_moment": second_moment(row.z),
        "preactivation_variance": variance(row.z),
        "activation_mean": math.fsum(row.a.ravel()) / row.a.size,
        "activation_second_moment": second_moment(row.a),
        "activation_variance": variance(row.a),
        "activation_sample_variance": float(np.mean(np.var(row.a, 0))),
        "delta_second_moment": second_moment(delta),
        "delta_variance": variance(delta),
        "zero_fraction": float(np.mean(row.a == 0)),
        "underflow_fraction": float(np.mean(np.abs(delta[slopes != 0]) < SMALLEST_NORMAL_FLOAT32)),
        "nonfinite_count": 0.0,
        "nonfinite_forward_count": 0.0,
        "nonfinite_backward_count": 0.0,
        "derivative_gain": math.nan,
        "dead_fraction": math.nan,
    }
    if row.activation:
        table["derivative_gain"] = float(np.mean(slopes)) / largest_derivative(row.activation, {})
        places = tuple(set(range(row.z.ndim)) - {axis % row.z.ndim for axis in row.units})
        table["dead_fraction"] = float(np.mean(np.all(slopes == 0, places)))
    kernels = [kernel for kernel in row.kernels if kernel not in frozen]
    bias = row.bias if row.bias not in frozen else None
    return table | _of_weights(result, weights, kernels, bias, rate)


def _of_weights(
    result: Result, weights: Weights, kernels: Sequence[str], bias: str | None, rate: float
) -> dict[str, float]:
    table = dict.fromkeys(
        (
            "kernel_gradient_second_moment",
            "kernel_gradient_variance",
            "update_ratio",
            "weight_second_moment",
            "weight_variance",
            "bias_gradient_second_moment",
            "batch_norm_mean_gap",
            "batch_norm_variance_ratio",
            "batch_norm_gamma_mean",
            "batch_norm_gamma_second_moment",
            "batch_norm_beta_second_moment",
        ),
        math.nan,
    )
    if kernels:
        gradients = [result.weight_gradients[kernel] for kernel in kernels]
        pooled = np.concatenate([gradient.ravel() for gradient in gradients])
        matrices = [weights[kernel] for kernel in kernels]
        table["kernel_gradient_second_moment"] = second_moment(pooled)
        table["kernel_gradient_variance"] = _spread(gradients)
        weight = second_moment(np.concatenate([matrix.ravel() for matrix in matrices]))
        table["weight_second_moment"] = weight
        table["weight_variance"] = _spread(matrices)
        table["update_ratio"] = rate * math.sqrt(second_moment(pooled) / weight)
    if bias:
        table["bias_gradient_second_moment"] = second_moment(result.weight_gradients[bias])
    return table


def _spread(matrices: Sequence[Any]) -> float:
    """The pooled variance of several matrices, each about its own mean."""
    size = sum(matrix.size for matrix in matrices)
    return sum(variance(matrix) * matrix.size for matrix in matrices) / size
