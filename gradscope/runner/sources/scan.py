"""Scan a `.keras` file before Keras loads it: everything in it is known, nothing is too large.

Nothing here imports Keras or runs code of the file. Unknown content is refused. That is no proof
that the rest is harmless, and TensorFlow is no sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from gradscope.config.document.tree_path import dotted_path
from gradscope.message_text import sanitise
from gradscope.runner.sources import archive, config_tree, hdf5_headers
from gradscope.runner.sources.archive import refused
from gradscope.runner.sources.hdf5_headers import StoredWeights

UNITS: Final = (
    "units",
    "filters",
    "input_dim",
    "output_dim",
    "num_heads",
    "num_query_heads",
    "num_key_value_heads",
    "head_dim",
    "key_dim",
    "value_dim",
    "depth_multiplier",
)
"""Keys of a layer that has at least so many weights, so the file must hold at least as many."""

UNBUILT_LIMIT: Final = 2**14
"""Their limit when the file holds no weights: the model was saved before it was built."""

COUNT_LIMITS: Final = {
    "num_thresholds": 10**5,
    "num_classes": 4096,
    "num_labels": 10**5,
    "num_tokens": 2**24,
    "n": 2**24,
    "height": 2**16,
    "width": 2**16,
    "size": 2**16,
    "padding": 2**20,
    "kernel_size": 2**16,
    "pool_size": 2**20,
}
"""Keys that make large tensors without a weight, and their limits."""

SHAPE_KEYS: Final = ("batch_shape", "target_shape", "shape", "output_shape")
MAXIMUM_SHAPE: Final = 2**28


@dataclass(frozen=True)
class Scan:
    """The content of a `.keras` file that was not refused."""

    sha256: str
    keras_version: str
    config: dict[str, Any]
    stored: StoredWeights


def scan(path: str | Path) -> Scan:
    """Check a `.keras` file; `BadRequest` names the member, the path in it and the remedy."""
    path = Path(path)
    check_path(path)
    with archive.open_archive(path) as archive_file:
        config = config_tree.read(
            archive_file.name, archive.CONFIG, archive_file.bytes_of(archive.CONFIG)
        )
        config_tree.check_classes(archive_file.name, config)
        with archive_file.unpacked(archive.WEIGHTS) as file:
            stored = hdf5_headers.walk(archive_file.name, file)
        check_sizes(archive_file.name, config, stored)
        version = _version(archive_file)
    return Scan(archive.sha256(path), version, config, stored)


def check_path(path: Path) -> None:
    """Refuse a path that is missing, no regular file, or does not end with `.keras`."""
    name = sanitise(str(path), 200)
    if not path.exists():
        raise refused(name, "there is no such file", "check the path; it starts at the config")
    if not path.is_file():
        raise refused(name, "is not a regular file", "give a .keras file")
    if path.suffix != ".keras":
        raise refused(name, "does not end with .keras", archive.RESAVE)


def check_sizes(name: str, config: dict[str, Any], stored: StoredWeights) -> None:
    """Refuse sizes that the weights in the file contradict, or that would fill the memory."""
    limit = stored.values or UNBUILT_LIMIT
    for path, node in config_tree.nodes(config):
        for key, value in node.items() if isinstance(node, dict) else ():
            size = _size(key, value)
            location = f"config.json, {dotted_path((*path, key))}"
            if key in UNITS and size > limit:
                what = f"{location} is {size:,}, but the file holds {stored.values:,} weights"
                raise refused(name, what, archive.TRUST_REMEDY)
            most = MAXIMUM_SHAPE if key in SHAPE_KEYS else COUNT_LIMITS.get(key)
            if most is not None and size > most:
                what = f"{location} is {size:,}; the limit is {most:,}"
                raise refused(name, what, archive.TRUST_REMEDY)


def _size(key: str, value: Any) -> int:
    """The value of a number, the product of a shape, the largest number of another list."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, (int, float)):
        return int(value) if abs(value) < float("inf") else 0
    if not isinstance(value, list):
        return 0
    sizes = [abs(_size(key, item)) for item in value if item is not None]
    return prod(size for size in sizes if size) if key in SHAPE_KEYS else max(sizes, default=0)


def _version(archive_file: archive.Archive) -> str:
    if archive.METADATA not in archive_file.zip.namelist():
        return "unknown"
    raw = archive_file.bytes_of(archive.METADATA)
    version = config_tree.read(archive_file.name, archive.METADATA, raw).get("keras_version")
    return sanitise(version) if isinstance(version, str) else "unknown"
