"""Shrinkage functions: near zero they pass little or nothing."""

from __future__ import annotations

from typing import Any

from gradscope.catalog.activations.entry import Activation, constant

_INFINITY = float("inf")
_EVERYTHING = (-_INFINITY, _INFINITY)


def _tanh_shrink(z: Any, ops: Any) -> Any:
    # z - tanh(z) cancels near 0; there its series, whose next term is below 1e-12 relative.
    near = ops.minimum(ops.maximum(z, -0.1), 0.1)
    square = near * near
    series = 1.0 / 3.0 + square * (
        -2.0 / 15.0 + square * (17.0 / 315.0 + square * (-62.0 / 2835.0 + square * 1382.0 / 155925))
    )
    return ops.where(ops.abs(z) < 0.1, near * square * series, z - ops.tanh(z))


def _tanh_shrink_derivative(z: Any, ops: Any) -> Any:
    squashed = ops.tanh(z)
    return squashed * squashed


def _soft_shrink(z: Any, ops: Any) -> Any:
    return ops.sign(z) * ops.maximum(ops.abs(z) - 0.5, 0.0)


def _hard_shrink(z: Any, ops: Any) -> Any:
    return ops.where(ops.abs(z) > 0.5, z, ops.zeros_like(z))


def _shrink_derivative(z: Any, ops: Any) -> Any:
    return ops.where(ops.abs(z) > 0.5, ops.ones_like(z), ops.zeros_like(z))


TANH_SHRINK = Activation(
    name="tanh_shrink",
    formula="z - tanh(z)",
    source="Keras: keras.activations.tanh_shrink",
    value=_tanh_shrink,
    derivative=_tanh_shrink_derivative,
    range=_EVERYTHING,
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
)

SOFT_SHRINK = Activation(
    name="soft_shrink",
    formula="sign(z) max(|z| - 0.5, 0)",
    source="Donoho 1995, De-noising by soft-thresholding; Keras: keras.activations.soft_shrink",
    value=_soft_shrink,
    derivative=_shrink_derivative,
    range=_EVERYTHING,
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
    kinks=(-0.5, 0.5),
    switches=True,
)

HARD_SHRINK = Activation(
    name="hard_shrink",
    formula="z if |z| > 0.5 else 0",
    source="Donoho & Johnstone 1994; Keras: keras.activations.hard_shrink",
    value=_hard_shrink,
    derivative=_shrink_derivative,
    range=_EVERYTHING,
    derivative_bound=constant(1.0),
    initializer="glorot_uniform",
    kinks=(-0.5, 0.5),
    switches=True,
)

SHRINKERS = (TANH_SHRINK, SOFT_SHRINK, HARD_SHRINK)
