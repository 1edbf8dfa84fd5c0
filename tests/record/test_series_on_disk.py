"""Long series: what was written is read back, one statistic at a time, and memory stays flat."""

from __future__ import annotations

import gc
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradscope.errors import BadRequest
from gradscope.record import STATISTICS, OutcomeStatus, RunRecord, storage
from gradscope.record.files import series_on_disk
from gradscope.record.files.series_on_disk import RowStore, Series, some_rows
from tests.analyzer.synthetic import record
from tests.record.test_builder import begun, figures

NAMES = list(STATISTICS)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows, and a file from 1 kB on."""
    monkeypatch.setattr(series_on_disk, "BLOCK_BYTES", 4000)
    monkeypatch.setattr(storage, "EAGER_BYTES", 1000)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 50])
def test_parts_of_rows_come_back(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_on_disk, "BLOCK_BYTES", 8 * 6 * 8)
    values = np.random.default_rng(1).normal(size=(count, 6))
    store = RowStore([2, 0, 3, 1])
    for row in values:
        store.append(row.copy())
    assert store.on_disk == (count >= 8)
    rows = store.rows()
    for more in range(20):
        store.append(np.full(6, float(more)))
    for position, (start, end) in enumerate([(0, 2), (2, 2), (2, 5), (5, 6)]):
        np.testing.assert_array_equal(rows.part(position), values[:, start:end])
        assert len(store.rows().part(position)) == count + 20


@pytest.mark.parametrize("writes", [0, 1, 5])
def test_a_full_disk_loses_no_row(writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_on_disk, "BLOCK_BYTES", 8 * 4 * 8)
    values = np.random.default_rng(1).normal(size=(50, 4))
    made, real = [], os.pwrite

    def full(descriptor: int, content: memoryview, offset: int) -> int:
        made.append(offset)
        if len(made) > writes:
            raise OSError(28, "No space left on device")
        return real(descriptor, content, offset)

    monkeypatch.setattr(os, "pwrite", full)
    store = RowStore([1, 3])
    for row in values:
        store.append(row.copy())
    assert len(made) == writes + 1
    np.testing.assert_array_equal(store.rows().part(0), values[:, :1])
    np.testing.assert_array_equal(store.rows().part(1), values[:, 1:])


def _long(steps: int) -> RunRecord:
    builder = begun()
    for step in range(1, steps + 1):
        builder.step(step, figures(step), (float(step), 0.5, 0.1))
    builder.probe(1, np.full(5, 0.25))
    builder.probe(steps, np.full(5, 0.75))
    made = builder.build(OutcomeStatus.COMPLETE, "done", 1.0)
    assert made is not None
    return made


def test_a_long_run_is_the_same_on_disk_and_in_memory(
    small_blocks: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long = _long(40)
    assert isinstance(long.series, Series)
    monkeypatch.undo()
    short = _long(40)
    assert isinstance(short.series, dict)
    assert list(long.series) == list(short.series) == NAMES
    for name in NAMES:
        np.testing.assert_array_equal(long.series[name], short.series[name])
    assert long.series["dead_fraction"][0, 0] == long.series["dead_fraction"][1, 0] == 0.25
    storage.save(long, tmp_path / "long.npz")
    assert (tmp_path / "long.npz").read_bytes() == storage.dumps(short)


def test_a_large_file_is_read_statistic_by_statistic(small_blocks: None, tmp_path: Path) -> None:
    made, path = record(3), tmp_path / "record.npz"
    storage.save(made, path)
    loaded = storage.load(path)
    assert isinstance(loaded.series, Series)
    path.rename(tmp_path / "moved.npz")  # as the folder of an earlier run does
    for name in NAMES:
        np.testing.assert_array_equal(loaded.series[name], made.series[name])
    with pytest.raises(ValueError, match="read-only"):
        loaded.series["delta_variance"][0] = 1.0
    with pytest.raises(KeyError):
        loaded.series["mood"]


def test_a_broken_large_file_is_refused_when_it_is_read(small_blocks: None, tmp_path: Path) -> None:
    made, path = record(3), tmp_path / "record.npz"
    storage.save(made, path)
    content = bytearray(path.read_bytes())
    start = content.index(b"series/delta_variance.npy")
    content[start + 60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BadRequest, match="is not a record of this version"):
        storage.load(path).series["delta_variance"]


def test_some_rows_of_either(small_blocks: None) -> None:
    long = _long(40)
    whole = {name: long.series[name].copy() for name in NAMES}
    rows = np.array([0, 7, 40])
    for series in (long.series, whole):
        part = some_rows(series, rows)
        assert list(part) == NAMES
        assert len(part) == len(NAMES)
        np.testing.assert_array_equal(part["update_ratio"], whole["update_ratio"][rows])
    at = long.at_rows(slice(3, 5))
    assert at.steps.tolist() == [3, 4]
    assert at.scalars["loss"].tolist() == [3.0, 4.0]
    np.testing.assert_array_equal(at.series["update_ratio"], whole["update_ratio"][3:5])


def test_few_arrays_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_on_disk, "KEPT_BYTES", 2 * 8 * 100)
    read: list[str] = []

    def values(name: str) -> np.ndarray:
        read.append(name)
        return np.zeros(100)

    series = Series("abcd", values)
    for name in "aabbaccab":
        series[name]
    assert read == ["a", "b", "c", "b"]


def test_memory_does_not_grow_with_the_steps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From 4,000 steps to 16,000: rows of 30 statistics x 5 layers, 1.2 kB each."""

    monkeypatch.setattr(series_on_disk, "KEPT_BYTES", 0)
    monkeypatch.setattr(series_on_disk, "BLOCK_BYTES", 2**18)

    def peak(steps: int) -> int:
        gc.collect()
        tracemalloc.start()
        builder, row = begun(), figures(1)
        for step in range(1, steps + 1):
            builder.step(step, row, (1.0, 0.5, 0.1))
        made = builder.build(OutcomeStatus.COMPLETE, "done", 1.0)
        assert made is not None
        storage.save(replace(made, histograms={}), tmp_path / "record.npz")
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(4000)
    short, long = peak(4000), peak(16_000)
    # Steps and scalars, twice where they grow; and one statistic, with a copy of it.
    assert long - short < 12_000 * (2 * 8 * 5 + 2 * 8 * 5)
    assert long < 16_000 * 8 * 5 * len(NAMES) / 3
