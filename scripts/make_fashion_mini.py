"""Make gradscope/datasets/fashion_mini.npz from Debian's package dataset-fashion-mnist.

Selection rule: within each split and class, the images are ordered by the SHA-256 of
``fashion_mini:<seed>:<split>:<index>``, where index is the position in the original file, and the
first 500 (training) or 100 (test) are kept. The kept images stay in the order of the original
file, which is already mixed. A hash instead of a random generator: the choice depends on no
library's version. The archive carries fixed time stamps, so two runs give the same bytes.

    apt-get install dataset-fashion-mnist
    python scripts/make_fashion_mini.py [--source DIR] [--output FILE]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.uint16]

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
PACKAGE = Path(__file__).resolve().parent.parent / "gradscope" / "datasets"
SEED = 2017
FILES = {"train": ("train", 500), "test": ("t10k", 100)}


def read_idx(path: Path) -> Bytes:
    """The array in a gzipped IDX file of unsigned bytes."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    dimensions = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=dimensions, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def read_split(source: Path, split: str) -> tuple[Bytes, Bytes]:
    """All images [n, 28, 28] and labels [n] of one split."""
    prefix, _ = FILES[split]
    images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")
    return images, labels


def rank(split: str, index: int) -> bytes:
    """What an image is ordered by within its class."""
    return hashlib.sha256(f"fashion_mini:{SEED}:{split}:{index}".encode()).digest()


def select(labels: Bytes, split: str) -> Positions:
    """Positions of the kept images, ascending."""
    _, per_class = FILES[split]
    kept: list[int] = []
    for label in range(10):
        members: list[int] = np.flatnonzero(labels == label).tolist()
        kept += sorted(members, key=lambda index: rank(split, index))[:per_class]
    return np.array(sorted(kept), dtype=np.uint16)


def pack(arrays: dict[str, npt.NDArray[np.generic]]) -> bytes:
    """A compressed npz whose bytes depend on nothing but the arrays (and on zlib)."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as members:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            member.external_attr = 0o644 << 16
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            members.writestr(member, content.getvalue(), compresslevel=9)
    return archive.getvalue()


def make(source: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Images, labels and their positions in the original files, for both splits."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for split in FILES:
        images, labels = read_split(source, split)
        kept = select(labels, split)
        arrays[f"x_{split}"] = images[kept]
        arrays[f"y_{split}"] = labels[kept]
        arrays[f"index_{split}"] = kept
    return arrays


def main() -> None:
    """Write the archive and print its size and SHA-256, which the loader checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, default=DEBIAN)
    parser.add_argument("--output", type=Path, default=PACKAGE / "fashion_mini.npz")
    arguments = parser.parse_args()
    content = pack(make(arguments.source))
    arguments.output.write_bytes(content)
    print(f"{arguments.output}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
