"""Bounded activations, their hard forms, and softmax for the output."""

from __future__ import annotations

from typing import Any

from gradscope.catalog.activations.entry import (
    Activation,
    constant,
    sech_squared,
    sigmoid,
)

_INFINITY = float("inf")


def _tanh(z: Any, ops: Any) -> Any:
    return ops.tanh(z)


def _tanh_derivative(z: Any, ops: Any) -> Any:
    return sech_squared(z, ops)


def _sigmoid(z: Any, ops: Any) -> Any:
    return sigmoid(z, ops)


def _sigmoid_derivative(z: Any, ops: Any) -> Any:
    return sigmoid(z, ops) * sigmoid(-z, ops)


def _softsign(z: Any, ops: Any) -> Any:
    return z / (1.0 + ops.abs(z))


def _softsign_derivative(z: Any, ops: Any) -> Any:
    size = 1.0 + ops.abs(z)
    return 1.0 / size / size


def _hard_sigmoid(z: Any, ops: Any) -> Any:
    return ops.minimum(ops.maximum(z + 3.0, 0.0), 6.0) / 6.0


def _hard_sigmoid_derivative(z: Any, ops: Any) -> Any:
    return ops.where(ops.abs(z) < 3.0, ops.ones_like(z) / 6.0, ops.zeros_like(z))


def _hard_silu(z: Any, ops: Any) -> Any:
    return z * _hard_sigmoid(z, ops)


def _hard_silu_derivative(z: Any, ops: Any) -> Any:
    return _hard_sigmoid(z, ops) + z * _hard_sigmoid_derivative(z, ops)


def _hard_tanh(z: Any, ops: Any) -> Any:
    return ops.minimum(ops.maximum(z, -1.0), 1.0)


def _hard_tanh_derivative(z: Any, ops: Any) -> Any:
    return ops.where(ops.abs(z) <= 1.0, ops.ones_like(z), ops.zeros_like(z))


def _sparse_sigmoid(z: Any, ops: Any) -> Any:
    return 0.5 * (_hard_tanh(z, ops) + 1.0)


def _sparse_sigmoid_derivative(z: Any, ops: Any) -> Any:
    return ops.where(ops.abs(z) < 1.0, 0.5 * ops.ones_like(z), ops.zeros_like(z))


def _softmax(z: Any, ops: Any) -> Any:
    weights = ops.exp(z - ops.max(z, axis=-1, keepdims=True))
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def _softmax_derivative(z: Any, ops: Any) -> Any:
    share = _softmax(z, ops)
    return share * (1.0 - share)


TANH = Activation(
    name="tanh",
    formula="tanh(z)",
    source="LeCun et al. 1998, Efficient BackProp, section 4.4; Glorot & Bengio 2010",
    value=_tanh,
    derivative=_tanh_derivative,
    range=(-1.0, 1.0),
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
    saturates=True,
    seed_scatter=0.25,
)

SIGMOID = Activation(
    name="sigmoid",
    formula="1 / (1 + exp(-z))",
    source="Glorot & Bengio 2010, section 3.1",
    value=_sigmoid,
    derivative=_sigmoid_derivative,
    range=(0.0, 1.0),
    derivative_bound=constant(0.25),
    initializer="glorot_uniform",
    saturates=True,
    seed_scatter=0.35,
)

SOFTSIGN = Activation(
    name="softsign",
    formula="z / (1 + |z|)",
    source="Glorot & Bengio 2010, section 3.3; Bergstra et al. 2009",
    value=_softsign,
    derivative=_softsign_derivative,
    range=(-1.0, 1.0),
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
    kinks=(0.0,),
    saturates=True,
)

HARD_SIGMOID = Activation(
    name="hard_sigmoid",
    formula="min(max(z + 3, 0), 6) / 6",
    source="Keras: keras.activations.hard_sigmoid (Courbariaux et al. 2015 with slope 1/6)",
    value=_hard_sigmoid,
    derivative=_hard_sigmoid_derivative,
    range=(0.0, 1.0),
    derivative_bound=constant(1.0 / 6.0),
    initializer="glorot_uniform",
    kinks=(-3.0, 3.0),
    saturates=True,
)

HARD_SILU = Activation(
    name="hard_silu",
    formula="z min(max(z + 3, 0), 6) / 6",
    source="Howard et al. 2019, arXiv:1905.02244, section 5.2",
    value=_hard_silu,
    derivative=_hard_silu_derivative,
    range=(-0.375, _INFINITY),
    derivative_bound=constant(1.5),
    initializer="he_normal",
    kinks=(-3.0, 3.0),
    aliases=("hard_swish",),
)

HARD_TANH = Activation(
    name="hard_tanh",
    formula="min(max(z, -1), 1)",
    source="Collobert 2004; Keras: keras.activations.hard_tanh",
    value=_hard_tanh,
    derivative=_hard_tanh_derivative,
    range=(-1.0, 1.0),
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
    kinks=(-1.0, 1.0),
    saturates=True,
)

SPARSE_SIGMOID = Activation(
    name="sparse_sigmoid",
    formula="0 if z <= -1, (z + 1) / 2 up to z = 1, then 1",
    source="Keras: keras.activations.sparse_sigmoid",
    value=_sparse_sigmoid,
    derivative=_sparse_sigmoid_derivative,
    range=(0.0, 1.0),
    derivative_bound=constant(0.5),
    initializer="glorot_uniform",
    kinks=(-1.0, 1.0),
    saturates=True,
)

# Softmax couples the units; the derivative here is the Jacobian's diagonal.
SOFTMAX = Activation(
    name="softmax",
    formula="exp(z_i) / sum_j exp(z_j) over the last axis",
    source="Bridle 1990; Keras: keras.activations.softmax",
    value=_softmax,
    derivative=_softmax_derivative,
    range=(0.0, 1.0),
    derivative_bound=constant(0.25),
    initializer="glorot_uniform",
    saturates=True,
    hidden=False,
)

BOUNDED = (
    TANH,
    SIGMOID,
    SOFTSIGN,
    HARD_SIGMOID,
    HARD_SILU,
    HARD_TANH,
    SPARSE_SIGMOID,
    SOFTMAX,
)
