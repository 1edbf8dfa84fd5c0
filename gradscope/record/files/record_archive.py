"""The archive of a record: its arrays one by one, and the sizes it declares, checked first."""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any

import numpy as np

from gradscope.record.files import npy_header

_LARGEST_META = 64 * 2**20
"""Bytes of the JSON text: 10,000 layers take 10 MB."""

_LARGEST = 16 * 2**30
"""Bytes of all arrays: 40 statistics of 500 layers at 100,000 steps."""


class Implausible(ValueError):
    """No record of gradscope declares these arrays."""


def check_declared_sizes(file: IO[bytes]) -> None:
    """Refuse an archive whose arrays are larger than a record's, or than its own steps allow.

    A few kilobytes can inflate to gigabytes. Raises `Implausible`.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            shapes = {info.filename: _shape(archive, info) for info in archive.infolist()}
    except Implausible:
        raise
    except Exception as error:  # zip, zlib and numpy each raise errors of their own
        raise Implausible(str(error)) from error
    total = sum(math.prod(shape) * size for shape, size in shapes.values())
    if total > _LARGEST:
        raise Implausible(f"its arrays need {total / 2**30:.3g} GiB")
    steps = shapes.get("steps.npy", ((0,), 1))[0]
    for name, (shape, _) in shapes.items():
        by_step = name.startswith(("series/", "scalars/", "recurrent_delta/"))
        if by_step and shape[:1] != steps:
            raise Implausible(f"{name} has the shape {shape}, and there are {steps[0]} steps")


def _shape(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], int]:
    """The shape and item size that a member's header declares; they must be what it holds."""
    if info.filename == "meta.npy" and info.file_size > _LARGEST_META:
        raise Implausible(f"its description is of {info.file_size} bytes")
    with archive.open(info) as stream:
        shape, dtype = npy_header.read(stream)
        held = info.file_size - stream.tell()
    if math.prod(shape) * dtype.itemsize != held:
        raise Implausible(f"{info.filename} declares the shape {shape} and holds {held} bytes")
    return shape, dtype.itemsize


class RecordArchive:
    """The arrays of a file, each read when it is asked for."""

    def __init__(self, file: IO[bytes], source: str) -> None:
        self._archive, self.source = zipfile.ZipFile(file), source
        self.names = [name.removesuffix(".npy") for name in self._archive.namelist()]
        self.unread = set(self.names)
        self.size = sum(member.file_size for member in self._archive.infolist())

    def __getitem__(self, name: str) -> Any:
        self.unread.discard(name)
        with self._archive.open(f"{name}.npy") as member:
            return np.lib.format.read_array(member, allow_pickle=False)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array, without its values."""
        self.unread.discard(name)
        with self._archive.open(f"{name}.npy") as member:
            return npy_header.read(member)[0]

    def refuse_unread(self) -> None:
        """Raise an error where the file has an array that nobody asked for."""
        if self.unread:
            raise ValueError(f"it has an array {min(self.unread)!r}")

    def starting(self, prefix: str) -> dict[str, str]:
        """The names that start with `prefix`, by the rest of each."""
        return {n.removeprefix(prefix): n for n in self.names if n.startswith(prefix)}
