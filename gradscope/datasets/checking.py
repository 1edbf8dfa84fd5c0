"""Checks that refuse bad data before training.

TensorFlow's operations treat bad data differently: an out-of-range label raises on a CPU, gives NaN
under XLA and passes silently elsewhere; a float label is truncated to a class. The training itself
cannot be relied on to report it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradscope.datasets.samples import Array, Samples, blocks
from gradscope.datasets.value_range import (
    FLOAT32_MAX,
    first_position_out_of_range,
    samples_out_of_range,
)
from gradscope.errors import BadRequest

MAX_CLASSES = 100_000
PARTS = ("training", "test")

_KINDS = {
    "c": "complex numbers, whose imaginary part would be dropped",
    "O": "Python objects, as ragged or mixed rows give",
    "U": "text",
    "S": "text",
    "M": "dates",
    "m": "durations",
    "V": "records",
}


def check(samples: Samples, *, batch_size: int, allow_nonfinite: bool = False) -> tuple[str, ...]:
    """Refuse data that cannot be trained on, naming the first bad sample; return notes.

    Raises `BadRequest` for wrong dtypes and shapes, an empty training part, NaN, Inf and values
    beyond float32 (unless `allow_nonfinite`), labels that are no class index, a single class, and
    features that are the same in all samples.
    """
    if samples.task not in ("classification", "regression"):
        raise BadRequest(f"data: the task {samples.task!r} is not classification or regression")
    if len(samples.x) == 0 and len(samples.y) == 0:
        raise BadRequest("data: there is no training sample")
    for part in PARTS:
        _check_arrays(samples, part)
        if not allow_nonfinite:
            _check_values(samples, part, "features")
        if samples.task == "classification":
            _check_labels(samples, part)
        elif not allow_nonfinite:
            _check_values(samples, part, "targets")
    if samples.task == "classification":
        _check_classes(samples)
    return (*samples.notes, *_notes(samples, batch_size))


def _check_arrays(samples: Samples, part: str) -> None:
    """Dtypes and shapes of one part."""
    x, y = samples.part(part)
    for name, array in (("features", x), ("targets", y)):
        if array.dtype.kind not in "biuf":
            kind = _KINDS.get(array.dtype.kind, f"values of dtype {array.dtype}")
            raise BadRequest(f"data: the {part} {name} are {kind}; they must be real numbers")
    if len(x) != len(y):
        raise BadRequest(f"data: {len(x)} {part} samples but {len(y)} targets")
    if x.ndim < 2:
        raise BadRequest(
            f"data: the {part} features have shape {x.shape}; they need one row per sample",
            "a single feature is a column: x[:, None]",
        )
    if 0 in x.shape[1:]:
        raise BadRequest(f"data: the {part} samples have no features: shape {x.shape}")
    if x.shape[1:] != samples.x.shape[1:] or y.shape[1:] != samples.y.shape[1:]:
        raise BadRequest(
            f"data: a test sample has shapes {x.shape[1:]} and {y.shape[1:]} (features, targets), "
            f"a training sample {samples.x.shape[1:]} and {samples.y.shape[1:]}"
        )
    if samples.task == "classification" and y.ndim != 1:
        hint = "take the column of ones: y.argmax(axis=1)" if y.ndim == 2 else ""
        raise BadRequest(
            f"data: the {part} labels have shape {y.shape}; "
            f"classification needs one class index per sample: ({len(y)},)",
            "flatten them: y.ravel()" if y.size == len(y) else hint,
        )
    if y.ndim > 2 or 0 in y.shape[1:]:
        raise BadRequest(f"data: the {part} targets have shape {y.shape}; use [n] or [n, k]")


def _check_values(samples: Samples, part: str, name: str) -> None:
    """Every value is a number that float32 can hold."""
    array = samples.part(part)[0 if name == "features" else 1]
    bad = samples_out_of_range(array, FLOAT32_MAX)
    if not bad.any():
        return
    index, place = samples.first_where(part, bad)
    sample = np.atleast_1d(array[index])
    position = first_position_out_of_range(sample, FLOAT32_MAX)
    value = float(sample[position])
    shown = f"{value:g}" if not np.isfinite(value) else f"{value:g}, beyond float32's 3.4e38"
    where = f" at {name[:-1]} {', '.join(map(str, position))}" if array.ndim > 1 else ""
    raise BadRequest(
        f"data: {place} has the {name[:-1]} value {shown}{where}; {bad.sum()} {part} "
        f"{'samples have' if bad.sum() > 1 else 'sample has'} such {name}",
        "remove or repair them before training",
    )


def _check_labels(samples: Samples, part: str) -> None:
    """Every label is a whole number from 0 to classes - 1."""
    _, y = samples.part(part)
    tests: list[tuple[npt.NDArray[np.bool_], str]] = []
    if y.dtype.kind == "f":
        tests.append((~np.isfinite(y), "not a class index"))
        tests.append((y != np.floor(y), "not a whole number"))
    tests.append((y < 0, "negative"))
    if samples.classes is not None:
        most = f"beyond the last class, {samples.classes - 1}"
        tests.append((y >= samples.classes, most))
    for bad, why in tests:
        if bad.any():
            index, place = samples.first_where(part, bad)
            raise BadRequest(
                f"data: {place} has the label {y[index].item()}: {why}", _label_remedy(y)
            )


def _label_remedy(y: Array) -> str:
    if y.dtype.kind == "f" and bool((y != np.floor(y)).any()):
        return "task: regression is for real targets"
    return "labels are class indices from 0 to classes - 1"


def _check_classes(samples: Samples) -> None:
    if np.all(samples.y == samples.y[0]):
        raise BadRequest(
            f"data: all {len(samples.y)} training samples have the label {samples.y[0].item()}; "
            "classification needs at least 2 classes"
        )
    if samples.classes is None or samples.classes < 2:
        raise BadRequest(f"data: classes is {samples.classes}; classification needs at least 2")
    if samples.classes > MAX_CLASSES:
        raise BadRequest(
            f"data: the labels go up to {samples.classes - 1}; "
            f"the limit is {MAX_CLASSES} classes, one output unit each",
            "number the classes from 0, or set task: regression",
        )


def _notes(samples: Samples, batch_size: int) -> list[str]:
    """Notes on data that is allowed but may explain an odd result.

    Raises `BadRequest` where no feature varies.
    """
    notes = []
    count = len(samples.x)
    if count < batch_size:
        notes.append(f"the training part has {count} samples, fewer than batch_size {batch_size}")
    varying = np.zeros(samples.x.shape[1:], np.bool_)
    for rows in blocks(samples.x):
        varying |= (samples.x[rows] != samples.x[0]).any(axis=0)
    if not varying.any() and count > 1:
        raise BadRequest(
            f"data: all {count} training samples have the same {varying.size} features: "
            "there is nothing to learn from",
            "check how the features are made",
        )
    if varying.any() and not varying.all():
        constant = varying.size - int(varying.sum())
        notes.append(f"{constant} of {varying.size} features are the same in all training samples")
    if samples.task == "classification" and samples.classes is not None:
        absent = samples.classes - len(np.unique(samples.y))
        if absent:
            notes.append(f"{absent} of {samples.classes} classes have no training sample")
    elif samples.task == "regression":
        if np.all(samples.y == samples.y[:1]):
            notes.append("all training targets are the same: the output bias alone can learn them")
        elif samples.y.ndim == 1 and _looks_like_classes(samples.y):
            notes.append(
                "the targets are a few whole numbers, read as regression; "
                "set task: classification if they are classes"
            )
    return notes


def _looks_like_classes(y: Array) -> bool:
    return bool(np.all(y == np.floor(y))) and len(np.unique(y)) <= min(20, len(y) // 2)
