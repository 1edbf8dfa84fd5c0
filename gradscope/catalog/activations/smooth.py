"""Smooth rectifiers: GELU and its relatives, softplus and its relatives, the exponential."""

from __future__ import annotations

import math
from typing import Any

from gradscope.catalog.activations.entry import (
    Activation,
    constant,
    sech_squared,
    sigmoid,
    softplus,
)
from gradscope.catalog.parameter import Parameter

_INFINITY = float("inf")
_CUBIC = 0.044715
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


def _gelu(z: Any, ops: Any, approximate: bool = False) -> Any:
    if approximate:
        return 0.5 * z * (1.0 + ops.tanh(_SQRT_2_OVER_PI * (z + _CUBIC * z * z * z)))
    return 0.5 * z * (1.0 + ops.erf(z / math.sqrt(2.0)))


def _gelu_derivative(z: Any, ops: Any, approximate: bool = False) -> Any:
    # Beyond 100 the bell is exactly 0; the clip keeps z^3 from overflowing in float32.
    near = ops.minimum(ops.maximum(z, -100.0), 100.0)
    if approximate:
        inner = _SQRT_2_OVER_PI * (near + _CUBIC * near * near * near)
        slope = _SQRT_2_OVER_PI * (1.0 + 3.0 * _CUBIC * near * near)
        return 0.5 * (1.0 + ops.tanh(inner)) + 0.5 * near * sech_squared(inner, ops) * slope
    bell = ops.exp(-0.5 * near * near) / math.sqrt(2.0 * math.pi)
    return 0.5 * (1.0 + ops.erf(near / math.sqrt(2.0))) + near * bell


def _gelu_bound(approximate: bool = False) -> float:
    # Exact: at z = sqrt(2). Approximate: numerically, at z = 1.4185.
    if approximate:
        return 1.1289930686587719
    return 0.5 * (1.0 + math.erf(1.0)) + math.sqrt(2.0) * math.exp(-1.0) / math.sqrt(2 * math.pi)


def _silu(z: Any, ops: Any) -> Any:
    return z * sigmoid(z, ops)


def _silu_derivative(z: Any, ops: Any) -> Any:
    gate = sigmoid(z, ops)
    return gate + z * gate * sigmoid(-z, ops)


def _mish(z: Any, ops: Any) -> Any:
    return z * ops.tanh(softplus(z, ops))


def _mish_derivative(z: Any, ops: Any) -> Any:
    inner = softplus(z, ops)
    return ops.tanh(inner) + z * sech_squared(inner, ops) * sigmoid(z, ops)


def _softplus(z: Any, ops: Any) -> Any:
    return softplus(z, ops)


def _softplus_derivative(z: Any, ops: Any) -> Any:
    return sigmoid(z, ops)


def _squareplus(z: Any, ops: Any, b: float = 4.0) -> Any:
    # The textbook (z + root) / 2 cancels on the left.
    root = ops.sqrt(z * z + b)
    return ops.where(z >= 0, 0.5 * (z + root), 0.5 * b / (root + ops.abs(z)))


def _squareplus_derivative(z: Any, ops: Any, b: float = 4.0) -> Any:
    return _squareplus(z, ops, b) / ops.sqrt(z * z + b)


def _log_sigmoid(z: Any, ops: Any) -> Any:
    return -softplus(-z, ops)


def _log_sigmoid_derivative(z: Any, ops: Any) -> Any:
    return sigmoid(-z, ops)


def _exponential(z: Any, ops: Any) -> Any:
    return ops.exp(z)


def _sparse_plus(z: Any, ops: Any) -> Any:
    bent = ops.minimum(ops.maximum(z, -1.0), 1.0) + 1.0
    return ops.where(z < 1.0, 0.25 * bent * bent, z)


def _sparse_plus_derivative(z: Any, ops: Any) -> Any:
    return 0.5 * (ops.minimum(ops.maximum(z, -1.0), 1.0) + 1.0)


GELU = Activation(
    name="gelu",
    formula="z Phi(z), Phi the normal distribution function",
    source="Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2",
    value=_gelu,
    derivative=_gelu_derivative,
    range=(-0.17004076, _INFINITY),
    derivative_bound=_gelu_bound,
    initializer="he_normal",
    parameters={
        "approximate": Parameter(False, description="the tanh form instead of the exact one")
    },
    seed_scatter=2.6,
)

SILU = Activation(
    name="silu",
    formula="z / (1 + exp(-z))",
    source="Elfwing, Uchibe & Doya 2018, arXiv:1702.03118; Ramachandran et al. 2017, "
    "arXiv:1710.05941",
    value=_silu,
    derivative=_silu_derivative,
    range=(-0.27846455, _INFINITY),
    derivative_bound=constant(1.0998393201288636),
    initializer="he_normal",
    aliases=("swish",),
    seed_scatter=6.7,
)

MISH = Activation(
    name="mish",
    formula="z tanh(log(1 + exp(z)))",
    source="Misra 2020, arXiv:1908.08681, eq. 1",
    value=_mish,
    derivative=_mish_derivative,
    range=(-0.30884342, _INFINITY),
    derivative_bound=constant(1.0884981612517244),
    initializer="he_normal",
)

SOFTPLUS = Activation(
    name="softplus",
    formula="log(1 + exp(z))",
    source="Glorot, Bordes & Bengio 2011, Deep sparse rectifier neural networks, eq. 2",
    value=_softplus,
    derivative=_softplus_derivative,
    range=(0.0, _INFINITY),
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
)

SQUAREPLUS = Activation(
    name="squareplus",
    formula="(z + sqrt(z^2 + b)) / 2",
    source="Barron 2021, arXiv:2112.11687, eq. 1",
    value=_squareplus,
    derivative=_squareplus_derivative,
    range=(0.0, _INFINITY),
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
    parameters={
        "b": Parameter(4.0, minimum=0.0, exclusive_minimum=True, description="width of the bend")
    },
)

LOG_SIGMOID = Activation(
    name="log_sigmoid",
    formula="-log(1 + exp(-z))",
    source="Keras: keras.activations.log_sigmoid",
    value=_log_sigmoid,
    derivative=_log_sigmoid_derivative,
    range=(-_INFINITY, 0.0),
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
)

EXPONENTIAL = Activation(
    name="exponential",
    formula="exp(z)",
    source="Keras: keras.activations.exponential",
    value=_exponential,
    derivative=_exponential,
    range=(0.0, _INFINITY),
    derivative_bound=constant(_INFINITY),
    initializer="glorot_uniform",
)

SPARSE_PLUS = Activation(
    name="sparse_plus",
    formula="0 if z <= -1, (z + 1)^2 / 4 up to z = 1, then z",
    source="Keras: keras.activations.sparse_plus",
    value=_sparse_plus,
    derivative=_sparse_plus_derivative,
    range=(0.0, _INFINITY),
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
    kinks=(-1.0, 1.0),
)

SMOOTH = (GELU, SILU, MISH, SOFTPLUS, SQUAREPLUS, LOG_SIGMOID, EXPONENTIAL, SPARSE_PLUS)
