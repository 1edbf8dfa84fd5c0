"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradscope.errors import CouldNotMeasure, ExitCode
from gradscope.record.files import atomic


def full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def stopped(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


Break = Callable[[pytest.MonkeyPatch, Callable[..., Any]], None]
BREAKS: dict[str, Break] = {
    "fsync": lambda patch, fault: patch.setattr(os, "fsync", fault),
    "replace": lambda patch, fault: patch.setattr(Path, "replace", fault),
    "open": lambda patch, fault: patch.setattr(Path, "open", fault),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "record.npz"
    path.write_bytes(b"old")
    return path


def test_a_new_file_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "record.npz"
    atomic.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["record.npz"]


def test_it_replaces(path: Path) -> None:
    atomic.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["record.npz"]


@pytest.mark.parametrize("where", BREAKS)
def test_a_full_disk_keeps_the_old_file(
    where: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BREAKS[where](monkeypatch, full)
    with pytest.raises(CouldNotMeasure) as raised:
        atomic.write(path, b"12345")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["record.npz"]
    assert raised.value.exit_code is ExitCode.COULD_NOT_MEASURE
    assert raised.value.message == f"cannot write {path} (5 bytes): No space left on device"
    assert "--output" in raised.value.remedy


@pytest.mark.parametrize("where", BREAKS)
def test_an_interruption_keeps_the_old_file_and_is_passed_on(
    where: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BREAKS[where](monkeypatch, stopped)
    with pytest.raises(KeyboardInterrupt):
        atomic.write(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["record.npz"]


def test_a_folder_that_cannot_be_flushed_is_no_failure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not on this file system")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    atomic.write(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_bytes_are_on_the_disk_before_the_name_moves(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    flush, move = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        flush(descriptor)

    def replace(self: Path, target: Path) -> Path:
        assert self.read_bytes() == b"new"
        order.append("name")
        return move(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    atomic.write(path, b"new")
    assert order == ["file", "name", "folder"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_umask_is_kept(mask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        atomic.write(tmp_path / "record.npz", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "record.npz").stat().st_mode) == mode


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "record.npz").mkdir()
    with pytest.raises(CouldNotMeasure, match="cannot write"):
        atomic.write(tmp_path / "record.npz", b"new")
    assert names(tmp_path) == ["record.npz"]


def test_a_file_where_the_folder_should_be(path: Path) -> None:
    with pytest.raises(CouldNotMeasure, match="cannot write"):
        atomic.write(path / "record.npz", b"new")
    assert path.read_bytes() == b"old"
