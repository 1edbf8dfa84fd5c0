"""Series that are too long for memory: rows come one by one, and columns are read one at a time."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = slice | npt.NDArray[np.int64]

BLOCK_BYTES = 2**22
"""Rows that are collected before they are written: a read of one column is then long enough."""

KEPT_BYTES = 2**26
"""Columns that `Series` keeps after they were read; a reader often asks twice."""


class RowStore:
    """Rows of float64 figures: in memory up to `BLOCK_BYTES`, then in a temporary file.

    A row consists of parts of fixed widths, and a block of rows is written part after part, so that
    one part of every row is read without the others.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = tuple(widths)
        self._ends = np.cumsum([0, *widths])
        self._pending: list[Floats] = []
        self._blocks: list[tuple[int, int]] = []
        self._file: int | None = None
        self._size = 0
        self._refused = False

    def append(self, row: Floats) -> None:
        """Add one row, its parts one after another; the array is kept, so it must not change."""
        self._pending.append(row.reshape(-1))
        if self._refused or len(self._pending) * 8 * int(self._ends[-1]) < BLOCK_BYTES:
            return
        try:
            self._write(np.array(self._pending))
            self._pending = []
        except OSError:  # a full disk: the rows stay in memory, and the run goes on
            self._refused = True

    @property
    def on_disk(self) -> bool:
        """Whether some rows have left the memory."""
        return bool(self._blocks)

    def _write(self, block: Floats) -> None:
        if self._file is None:
            with tempfile.TemporaryFile(prefix="gradscope-") as file:
                self._file = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._file)
        offset = self._size
        for start, end in zip(self._ends, self._ends[1:], strict=False):
            _write_all(self._file, np.ascontiguousarray(block[:, start:end]), offset)
            offset += 8 * len(block) * int(end - start)
        self._blocks.append((self._size, len(block)))
        self._size = offset

    def rows(self) -> StoredRows:
        """The rows so far; rows that are added later are not among them."""
        return StoredRows(self, tuple(self._blocks), tuple(self._pending))

    def read(self, offset: int, values: Floats) -> None:
        """Fill `values` with what stands at `offset` of the file."""
        assert self._file is not None
        view = memoryview(cast("Any", values)).cast("B")
        while view:
            content = os.pread(self._file, len(view), offset)
            if not content:
                raise EOFError("the temporary file of a record was shortened")
            view[: len(content)] = content
            view, offset = view[len(content) :], offset + len(content)


class StoredRows:
    """The rows of a `RowStore` at one moment."""

    def __init__(
        self, store: RowStore, blocks: tuple[tuple[int, int], ...], pending: tuple[Floats, ...]
    ) -> None:
        self._store, self._blocks, self._pending = store, blocks, pending
        self._starts = np.cumsum([0, *store.widths])

    def part(self, position: int) -> Floats:
        """One part of every row: [row, width]."""
        start, end = int(self._starts[position]), int(self._starts[position + 1])
        stored = sum(count for _, count in self._blocks)
        values = np.empty((stored + len(self._pending), end - start))
        at = 0
        for offset, count in self._blocks:
            if end > start:
                self._store.read(offset + 8 * count * start, values[at : at + count])
            at += count
        for row in self._pending:
            values[at] = row[start:end]
            at += 1
        return values


class Series(Mapping[str, Floats]):
    """Arrays by name, read when asked for; the last ones read are kept, up to `KEPT_BYTES`.

    They are read-only, since they may be handed out again.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], Floats]) -> None:
        self._names, self._read = tuple(names), read
        self._kept: OrderedDict[str, Floats] = OrderedDict()

    def __getitem__(self, name: str) -> Floats:
        if name not in self._names:
            raise KeyError(name)
        values = self._kept.pop(name, None)
        if values is None:
            values = self._read(name)
            values.flags.writeable = False
        self._kept[name] = values
        while len(self._kept) > 1 and sum(v.nbytes for v in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Part(Mapping[str, Floats]):
    """Some rows of every array of other series."""

    def __init__(self, series: Mapping[str, Floats], rows: Rows) -> None:
        self._series, self._rows = series, rows

    def __getitem__(self, name: str) -> Floats:
        return self._series[name][self._rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)


def some_rows(series: Mapping[str, Floats], rows: Rows) -> Mapping[str, Floats]:
    """Some rows of every array; what is on disk stays there until it is asked for."""
    if isinstance(series, dict):
        return {name: values[rows] for name, values in series.items()}
    return _Part(series, rows)


def _write_all(descriptor: int, values: Floats, offset: int) -> None:
    view = memoryview(cast("Any", values)).cast("B") if values.size else memoryview(b"")
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count
