"""The header of an array in a file of numpy: shape and dtype, before anything of it is read."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

_READERS: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class UnknownVersion(ValueError):
    """A version of the format that is not read here; `version` is its two numbers."""

    def __init__(self, version: tuple[int, int]) -> None:
        super().__init__(f"it has npy version {version}")
        self.version = version


def read(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and dtype of the array at the start of `stream`, which then is at its values.

    Raises `UnknownVersion`, or whatever numpy raises for bytes that are no header.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _READERS:
        raise UnknownVersion(version)
    shape, _, dtype = _READERS[version](stream)
    return shape, dtype
