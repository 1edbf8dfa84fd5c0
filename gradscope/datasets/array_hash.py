"""The hash of an array: the same on every machine."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt


def add_array(digest: hashlib._Hash, array: npt.NDArray[Any]) -> None:
    """Add the type, the shape and the values of `array` to a hash."""
    # Byte order is part of the dtype, so make it the same everywhere.
    portable = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest.update(f"{portable.dtype.str}{portable.shape}".encode())
    digest.update(portable.data)
