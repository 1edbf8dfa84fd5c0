"""JSON that any parser reads: in ASCII, and null for what is not finite."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["OneLine", "dumps", "plain"]

_ENCODER = json.JSONEncoder(allow_nan=False)


class OneLine(dict[str, Any]):
    """An object that `dumps` writes on one line, as it does a list of numbers."""


def plain(value: Any) -> Any:
    """The value in JSON's types: null for what is not finite, lists for arrays and tuples."""
    if isinstance(value, np.ndarray):
        return _numbers(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _numbers(values: npt.NDArray[Any]) -> Any:
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return values.tolist()
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()


def dumps(value: Any, depth: int = 0) -> str:
    """Objects and lists of lists over several lines, everything else on one."""
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict) and value and not isinstance(value, OneLine):
        items = [f"{json.dumps(key)}: {dumps(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + item for item in items) + f"\n{outer}}}"
    if isinstance(value, Sequence) and value and isinstance(value[0], list | dict):
        return "[\n" + ",\n".join(inner + dumps(item, depth + 1) for item in value) + f"\n{outer}]"
    return _ENCODER.encode(value)
