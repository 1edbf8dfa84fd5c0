"""The user's own arrays, in a file that numpy.savez wrote."""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from gradscope.datasets import DATASETS
from gradscope.datasets.samples import (
    MAX_BYTES,
    Array,
    Samples,
    Seed,
    TestFraction,
    existing_file,
    quoted,
    split,
)
from gradscope.errors import BadRequest
from gradscope.record.files import npy_header
from gradscope.record.objective.objective_info import are_classes, class_labels

_LAYOUTS = (
    ("x", "y"),
    ("x_train", "y_train"),
    ("x_train", "y_train", "x_test", "y_test"),
)
_MOST_SAMPLES = 2**24
"""Rows of an array: more than ImageNet-21k has images; more take minutes to check and shuffle."""

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    tokenize.TokenError,
    ValueError,
    EOFError,
    RuntimeError,
)


@DATASETS.register("npz")
def npz_file(
    *,
    path: Path,
    task: Literal["auto", "classification", "regression"] = "auto",
    classes: Annotated[int, Ge(2), Le(100_000)] | None = None,
    seed: Seed = 0,
    test_fraction: TestFraction = 0.2,
) -> Samples:
    """Your own arrays from an .npz file, under the names x and y, or x_train, y_train, ...

    With x_test and y_test in the file the parts stay as they are; otherwise `test_fraction` of the
    shuffled samples becomes the test part. task: auto reads integers, 0.0 and 1.0, and one-hot
    rows as classes, other real targets as regression. The number of classes is the largest label
    plus 1 unless `classes` gives it.

    Shapes: x real numbers [n, ...]; y class indices [n] or [n, 1], one-hot rows [n, k], or real
    targets [n] or [n, k].
    Source: the file; it is never unpickled, and its declared sizes are checked before reading.
    Licence: yours.
    """
    arrays = _read_arrays(existing_file(path))
    train = "" if "x" in arrays else "_train"
    x, y = arrays[f"x{train}"], arrays[f"y{train}"]
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise BadRequest(
            f"data: {path}: x{train} has shape {x.shape} and y{train} {y.shape}; "
            "both need the same number of rows"
        )
    x_test, y_test = arrays.get("x_test", x[:0]), arrays.get("y_test", y[:0])
    if task == "auto":
        task = "classification" if are_classes(y) else "regression"
    if task == "classification":
        (y, count), (y_test, test_count) = _labels(y), _labels(y_test)
        classes = classes or max(count, test_count)
    samples = Samples(x, y, x_test, y_test, task, classes if task == "classification" else None)
    return split(samples, test_fraction, seed)


def _labels(y: Array) -> tuple[Array, int]:
    """Class indices [n] and the number of classes; wrong labels stay for the check to name."""
    labels = class_labels(y) if y.ndim <= 2 else None
    if labels is not None:
        return labels
    flat = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    return flat, int(np.max(flat, initial=0, where=np.isfinite(flat))) + 1


def _read_arrays(path: Path) -> dict[str, Array]:
    """Read the named arrays, after a check of the file's directory and of the array headers."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = _layout(path, archive)
            total = sum(_declared_bytes(path, archive, name) for name in names)
            if total > MAX_BYTES:
                raise BadRequest(
                    f"data: {path}: the arrays need {total / 2**30:.1f} GiB; "
                    f"the limit is {MAX_BYTES // 2**30} GiB",
                    "store fewer samples, or integers instead of floats",
                )
            return {name: _read_member(archive, name) for name in names}
    except OSError as error:
        raise BadRequest(f"data: {path} cannot be read: {error.strerror or error}") from None
    except _DAMAGE as error:
        raise BadRequest(
            f"data: {path} is not a readable .npz file: {quoted(str(error))}",
            "write it with numpy.savez(path, x=..., y=...), without pickled objects",
        ) from None


def _layout(path: Path, archive: zipfile.ZipFile) -> tuple[str, ...]:
    members = [name for name in archive.namelist() if name.endswith(".npy")]
    names = sorted(name.removesuffix(".npy") for name in members)
    if len(set(names)) < len(names):
        raise BadRequest(f"data: {path}: an array occurs twice; which one is meant cannot be told")
    expected = {name for layout in _LAYOUTS for name in layout}
    present = expected.intersection(names)
    for layout in _LAYOUTS:
        if present == set(layout):
            return layout
    listed = ", ".join(quoted(name) for name in names[:8]) or "nothing"
    raise BadRequest(
        f"data: {path} holds {listed}{' and more' if len(names) > 8 else ''}",
        "it needs x and y; or x_train and y_train; or these with x_test and y_test",
    )


def _declared_bytes(path: Path, archive: zipfile.ZipFile, name: str) -> int:
    """Size of an array by its header, refused when the file cannot hold it."""
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as stream:
        try:
            shape, dtype = npy_header.read(stream)
        except npy_header.UnknownVersion as error:
            raise BadRequest(
                f"data: {path}: {name} has npy version {error.version}; use 1.0 or 2.0"
            ) from None
        held = member.file_size - stream.tell()
    if dtype.kind not in "biuf":
        raise BadRequest(
            f"data: {path}: {name} has dtype {quoted(str(dtype))}; it must hold real numbers",
            "ragged or mixed rows become objects: pad or convert them before saving"
            if dtype.hasobject
            else "",
        )
    declared = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or declared != held:
        raise BadRequest(
            f"data: {path}: {name} declares shape {quoted(shape)} ({declared / 2**30:.3g} GiB) "
            f"but the file holds {held} bytes of it",
            "the file is damaged or was not written by numpy",
        )
    if shape and shape[0] > _MOST_SAMPLES:
        raise BadRequest(
            f"data: {path}: {name} has {shape[0]} samples; the limit is {_MOST_SAMPLES}",
            "store some of them: figures of gradients need thousands",
        )
    return int(declared)


def _read_member(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(f"{name}.npy") as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
    # Other byte orders only slow everything down afterwards.
    return array.astype(array.dtype.newbyteorder("="), copy=False)
