"""Rectifiers: linear on the right, bent at a point on the left."""

from __future__ import annotations

from typing import Any

from gradscope.catalog.activations.entry import Activation, constant
from gradscope.catalog.parameter import Parameter

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805

_INFINITY = float("inf")


def _linear(z: Any, ops: Any) -> Any:
    return z


def _linear_derivative(z: Any, ops: Any) -> Any:
    return ops.ones_like(z)


def _relu(z: Any, ops: Any) -> Any:
    return ops.maximum(z, 0.0)


def _relu_derivative(z: Any, ops: Any) -> Any:
    return ops.where(z > 0, ops.ones_like(z), ops.zeros_like(z))


def _leaky_relu(z: Any, ops: Any, negative_slope: Any = 0.2) -> Any:
    return ops.where(z > 0, z, negative_slope * z)


def _leaky_relu_derivative(z: Any, ops: Any, negative_slope: Any = 0.2) -> Any:
    ones = ops.ones_like(z)
    return ops.where(z > 0, ones, negative_slope * ones)


def _leaky_relu_bound(negative_slope: float = 0.2) -> float:
    return max(1.0, abs(negative_slope))


def _leaky_relu_slope(negative_slope: float = 0.2) -> float:
    return negative_slope


def _prelu(z: Any, ops: Any, alpha: Any = 0.25) -> Any:
    return _leaky_relu(z, ops, alpha)


def _prelu_derivative(z: Any, ops: Any, alpha: Any = 0.25) -> Any:
    return _leaky_relu_derivative(z, ops, alpha)


def _prelu_bound(alpha: float = 0.25) -> float:
    return _leaky_relu_bound(alpha)


def _prelu_slope(alpha: float = 0.25) -> float:
    return alpha


def _elu(z: Any, ops: Any, alpha: float = 1.0) -> Any:
    return ops.where(z > 0, z, alpha * ops.expm1(ops.minimum(z, 0.0)))


def _elu_derivative(z: Any, ops: Any, alpha: float = 1.0) -> Any:
    return ops.where(z > 0, ops.ones_like(z), alpha * ops.exp(ops.minimum(z, 0.0)))


def _elu_bound(alpha: float = 1.0) -> float:
    return max(1.0, abs(alpha))


def _selu(z: Any, ops: Any) -> Any:
    return SELU_SCALE * _elu(z, ops, SELU_ALPHA)


def _selu_derivative(z: Any, ops: Any) -> Any:
    left = SELU_ALPHA * ops.exp(ops.minimum(z, 0.0))
    return SELU_SCALE * ops.where(z < 0, left, ops.ones_like(z))


def _celu(z: Any, ops: Any, alpha: float = 1.0) -> Any:
    return ops.maximum(z, 0.0) + alpha * ops.expm1(ops.minimum(z, 0.0) / alpha)


def _celu_derivative(z: Any, ops: Any, alpha: float = 1.0) -> Any:
    return ops.exp(ops.minimum(z, 0.0) / alpha)


def _relu6(z: Any, ops: Any) -> Any:
    return ops.minimum(ops.maximum(z, 0.0), 6.0)


def _relu6_derivative(z: Any, ops: Any) -> Any:
    inside = ops.where(z < 6.0, ops.ones_like(z), ops.zeros_like(z))
    return ops.where(z > 0, inside, ops.zeros_like(z))


LINEAR = Activation(
    name="linear",
    formula="z",
    source="Saxe, McClelland & Ganguli 2014, arXiv:1312.6120",
    value=_linear,
    derivative=_linear_derivative,
    range=(-_INFINITY, _INFINITY),
    derivative_bound=constant(1.0),
    negative_slope=constant(1.0),
    initializer="glorot_uniform",
    seed_scatter=0.45,
)

RELU = Activation(
    name="relu",
    formula="max(z, 0)",
    source="He et al. 2015, arXiv:1502.01852, section 2.2; Nair & Hinton 2010",
    value=_relu,
    derivative=_relu_derivative,
    range=(0.0, _INFINITY),
    derivative_bound=constant(1.0),
    negative_slope=constant(0.0),
    initializer="he_normal",
    kinks=(0.0,),
    switches=True,
)

LEAKY_RELU = Activation(
    name="leaky_relu",
    formula="z if z > 0 else negative_slope z",
    source="Maas, Hannun & Ng 2013, section 2; Keras's name and function default is 0.2, its "
    "LeakyReLU layer's 0.3",
    value=_leaky_relu,
    derivative=_leaky_relu_derivative,
    range=(-_INFINITY, _INFINITY),
    derivative_bound=_leaky_relu_bound,
    negative_slope=_leaky_relu_slope,
    initializer="he_normal",
    kinks=(0.0,),
    parameters={
        "negative_slope": Parameter(0.2, minimum=0.0, description="slope where z is negative")
    },
)

PRELU = Activation(
    name="prelu",
    formula="z if z > 0 else alpha z, alpha trained per unit",
    source="He et al. 2015, arXiv:1502.01852, section 2.1 (alpha starts at 0.25; Keras's PReLU "
    "layer starts it at 0)",
    value=_prelu,
    derivative=_prelu_derivative,
    range=(-_INFINITY, _INFINITY),
    derivative_bound=_prelu_bound,
    negative_slope=_prelu_slope,
    initializer="he_normal",
    kinks=(0.0,),
    parameters={"alpha": Parameter(0.25, description="slope on the left before training")},
    trained_parameter="alpha",
)

ELU = Activation(
    name="elu",
    formula="z if z > 0 else alpha (exp(z) - 1)",
    source="Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289, eq. 15",
    value=_elu,
    derivative=_elu_derivative,
    range=(-1.0, _INFINITY),
    derivative_bound=_elu_bound,
    initializer="he_normal",
    kinks=(0.0,),
    parameters={"alpha": Parameter(1.0, minimum=0.0, description="minus the limit on the left")},
    seed_scatter=0.35,
)

SELU = Activation(
    name="selu",
    formula="1.0507 (z if z > 0 else 1.6733 (exp(z) - 1))",
    source="Klambauer et al. 2017, arXiv:1706.02515, eq. 2",
    value=_selu,
    derivative=_selu_derivative,
    range=(-SELU_SCALE * SELU_ALPHA, _INFINITY),
    derivative_bound=constant(SELU_SCALE * SELU_ALPHA),
    initializer="lecun_normal",
    kinks=(0.0,),
    seed_scatter=0.24,
)

# Keras's gradient of celu at exactly z = 0 is 2, the sum of its two branches; the function is
# smooth there and its derivative is 1, the value used here.
CELU = Activation(
    name="celu",
    formula="max(z, 0) + alpha (exp(min(z, 0) / alpha) - 1)",
    source="Barron 2017, arXiv:1704.07483",
    value=_celu,
    derivative=_celu_derivative,
    range=(-1.0, _INFINITY),
    derivative_bound=constant(1.0),
    initializer="he_normal",
    kinks=(0.0,),
    parameters={
        "alpha": Parameter(
            1.0, minimum=0.0, exclusive_minimum=True, description="minus the limit on the left"
        )
    },
)

RELU6 = Activation(
    name="relu6",
    formula="min(max(z, 0), 6)",
    source="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10; Keras: relu6",
    value=_relu6,
    derivative=_relu6_derivative,
    range=(0.0, 6.0),
    derivative_bound=constant(1.0),
    initializer="he_normal",
    kinks=(0.0, 6.0),
    saturates=True,
)

RECTIFIERS = (LINEAR, RELU, LEAKY_RELU, PRELU, ELU, SELU, CELU, RELU6)
