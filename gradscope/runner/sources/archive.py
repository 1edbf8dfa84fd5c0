"""Check the zip directory of a `.keras` file, its members and sizes, before unpacking."""

from __future__ import annotations

import hashlib
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from gradscope.errors import BadRequest
from gradscope.message_text import sanitise

CONFIG: Final = "config.json"
METADATA: Final = "metadata.json"
WEIGHTS: Final = "model.weights.h5"

MAXIMUM_MEMBERS: Final = 64
MAXIMUM_RATIO: Final = 100
MAXIMUM_TOTAL: Final = 2 * 2**30
MAXIMUM_BYTES: Final = {CONFIG: 8 * 2**20, METADATA: 2**20, WEIGHTS: MAXIMUM_TOTAL}

_HARMLESS_BYTES: Final = 2**16
"""Members below this size may have any compression ratio."""

_BLOCK: Final = 2**20
_END: Final = b"PK\x05\x06"
_END_64: Final = b"PK\x06\x07"
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    OverflowError,
)
RESAVE: Final = "save it again with model.save('name.keras')"
TRUST_REMEDY: Final = "if the file is your own: --trust-model, or a factory that loads it"


@dataclass(frozen=True)
class Archive:
    """An opened `.keras` file whose directory has been checked."""

    name: str
    zip: zipfile.ZipFile

    def bytes_of(self, member: str) -> bytes:
        """Unpack a small member whole; its checksum is checked."""
        try:
            with self.zip.open(member) as file:
                return file.read(MAXIMUM_BYTES[member] + 1)
        except _BROKEN as error:
            raise damaged(self.name, member, error) from None

    @contextmanager
    def unpacked(self, member: str) -> Iterator[IO[bytes]]:
        """Unpack a large member into a temporary file, block by block; its checksum is checked."""
        with tempfile.TemporaryFile() as copy:
            try:
                with self.zip.open(member) as file:
                    while block := file.read(_BLOCK):
                        copy.write(block)
            except _BROKEN as error:
                raise damaged(self.name, member, error) from None
            copy.seek(0)
            yield copy


@contextmanager
def open_archive(path: Path, *, trust: bool = False) -> Iterator[Archive]:
    """Open a `.keras` file; refuse any other than a complete zip of Keras's three members.

    With `trust` it may be of any size and hold assets.
    """
    name = sanitise(path.name)
    try:
        with path.open("rb") as file:
            _refuse_other_formats(name, file)
            _check_end(name, file, trust)
            try:
                archive = zipfile.ZipFile(file)
            except _BROKEN as error:
                raise damaged(name, "its directory", error) from None
            with archive:
                if not trust:
                    _check_members(name, archive)
                yield Archive(name, archive)
    except OSError as error:
        reason = sanitise(error.strerror or str(error))
        raise refused(name, f"cannot be read: {reason}", "check the path") from None


def sha256(path: Path) -> str:
    """Identify a file by its content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refused(name: str, what: str, remedy: str) -> BadRequest:
    """The error that says what is wrong with a model file and what to do."""
    return BadRequest(f"model.keras_file: {name}: {what}", remedy)


def damaged(name: str, member: str, error: Exception) -> BadRequest:
    """The error for a member that cannot be read."""
    lines = sanitise(str(error)).strip() or type(error).__name__
    return refused(name, f"{member} is damaged ({lines})", RESAVE)


def _refuse_other_formats(name: str, file: IO[bytes]) -> None:
    start = file.read(8)
    if not start:
        raise refused(name, "is empty", RESAVE)
    if start.startswith(b"\x89HDF"):
        raise refused(name, "is an HDF5 file, not a .keras file", RESAVE)
    if not start.startswith(b"PK"):
        raise refused(name, "is not a .keras file (it does not begin as a zip)", RESAVE)


def _check_end(name: str, file: IO[bytes], trust: bool) -> None:
    """Check how many members there are before zipfile reads the directory into memory."""
    size = file.seek(0, 2)
    if size > MAXIMUM_TOTAL and not trust:
        raise refused(name, f"has {size:,} bytes, the limit is {MAXIMUM_TOTAL:,}", TRUST_REMEDY)
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    position = tail.rfind(_END)
    if position < 0 or len(tail) - position < 22:
        raise refused(name, "is not complete: the end of the zip is missing", RESAVE)
    file.seek(0)
    if trust:
        return
    members, directory = struct.unpack_from("<HI", tail, position + 10)
    if members > MAXIMUM_MEMBERS or directory > 2**20 or _END_64 in tail[:position][-20:]:
        raise refused(
            name, f"holds more than {MAXIMUM_MEMBERS} members or a huge directory", _FOREIGN
        )


_FOREIGN: Final = "Keras writes three: do not use a file of unknown origin"


def _check_members(name: str, archive: zipfile.ZipFile) -> None:
    names: set[str] = set()
    for info in archive.infolist():
        shown = sanitise(info.filename)
        if info.filename in names:
            raise refused(name, f"holds the member {shown} twice", _FOREIGN)
        names.add(info.filename)
        if info.filename not in MAXIMUM_BYTES:
            raise refused(name, _about_member(info.filename), TRUST_REMEDY)
        if info.flag_bits & 1:
            raise refused(name, f"the member {shown} is encrypted", RESAVE)
        limit = MAXIMUM_BYTES[info.filename]
        if info.file_size > limit:
            what = f"{shown} unpacks to {info.file_size:,} bytes, the limit is {limit:,}"
            raise refused(name, what, TRUST_REMEDY)
        packed = max(info.compress_size, 1)
        if info.file_size > max(_HARMLESS_BYTES, MAXIMUM_RATIO * packed):
            what = f"{shown} unpacks {packed:,} bytes to {info.file_size:,}"
            raise refused(name, f"{what}, more than {MAXIMUM_RATIO} times as much", _FOREIGN)
    total = sum(info.file_size for info in archive.infolist())
    if total > MAXIMUM_TOTAL:
        what = f"unpacks to {total:,} bytes, the limit is {MAXIMUM_TOTAL:,}"
        raise refused(name, what, TRUST_REMEDY)
    for member in (CONFIG, WEIGHTS):
        if member not in names:
            raise refused(name, f"has no {member}, so it is no .keras file", RESAVE)


def _about_member(member: str) -> str:
    shown = sanitise(member)
    parts = member.replace("\\", "/").split("/")
    if ".." in parts or member.startswith(("/", "\\")) or ":" in member:
        return f"the member {shown} would be written outside its folder"
    if parts[0] == "assets":
        return f"the member {shown} is an asset, such as a vocabulary that a layer would read"
    return f"the member {shown} is none that Keras writes"
