"""The array functions a formula may use, on numpy float64.

A catalog formula is written once against a namespace `ops` and runs here on numpy and, inside the
traced training step, on `keras.ops`, which offers the same names.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def erf(x: Any) -> Any:
    """The error function of any array."""
    # Imported here: SciPy's special functions take 0.2 s, and few formulas need them.
    from scipy.special import erf as scipy_erf

    return scipy_erf(x)


def _exp(x: Any) -> Any:
    """Overflow to infinity is correct here (the exponential activation): no warning."""
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
