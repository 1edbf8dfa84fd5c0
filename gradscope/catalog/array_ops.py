"""The array functions a formula may use, on numpy float64.

A catalog formula is written once against a namespace `ops` and runs here on numpy and, inside the
traced training step, on `keras.ops`, which offers the same names.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STEP = 1.0 / 32.0
_NODES = np.arange(0.0, 6.0 + _STEP, _STEP)
_BLOCK = 8192  # fits the processor's cache


def _erf_coefficients() -> list[Floats]:
    """Taylor coefficients of erf at each node, degree by degree."""
    values = np.array([math.erf(node) for node in _NODES])
    density = 2.0 / math.sqrt(math.pi) * np.exp(-_NODES * _NODES)
    previous, current = np.zeros_like(_NODES), np.ones_like(_NODES)
    coefficients = [values, density]
    for k in range(1, 9):
        previous, current = current, 2.0 * _NODES * current - 2.0 * (k - 1) * previous
        coefficients.append((-1.0) ** k * current * density / math.factorial(k + 1))
    return coefficients


_COEFFICIENTS = _erf_coefficients()


def erf(x: Any) -> Any:
    """The error function to about 1e-15, for arrays of any size.

    Taylor expansion of degree 9 around the nearest of 193 nodes, whose values are `math.erf`:
    erf^(k+1)(c) = (-1)^k H_k(c) 2/sqrt(pi) exp(-c^2), H_k the physicists' Hermite polynomials.
    """
    x = np.asarray(x, dtype=np.float64)
    flat = x.ravel()
    result = np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        result[start : start + _BLOCK] = _erf_block(flat[start : start + _BLOCK])
    return result.reshape(x.shape)[()]


def _erf_block(x: Floats) -> Floats:
    size = np.minimum(np.abs(x), 6.0)
    index = np.nan_to_num(np.rint(size / _STEP)).astype(np.intp)
    offset = size - _NODES[index]
    total = _COEFFICIENTS[-1][index]
    for coefficient in _COEFFICIENTS[-2::-1]:
        total = total * offset + coefficient[index]
    return np.copysign(total, x)


def _exp(x: Any) -> Any:
    """Overflow is the right answer here (the exponential activation), so it does not warn."""
    with np.errstate(over="ignore"):
        return np.exp(x)


NUMPY_OPS = SimpleNamespace(
    abs=np.abs,
    erf=erf,
    exp=_exp,
    expm1=np.expm1,
    log1p=np.log1p,
    max=np.max,
    maximum=np.maximum,
    minimum=np.minimum,
    ones_like=np.ones_like,
    sign=np.sign,
    sqrt=np.sqrt,
    sum=np.sum,
    tanh=np.tanh,
    where=np.where,
    zeros_like=np.zeros_like,
)
"""Exactly the names a catalog formula may use; `keras.ops` has them all."""
