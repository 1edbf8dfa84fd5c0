"""A Python annotation as a rule for a value: a strict check, and the rule in words."""

from __future__ import annotations

import json
import types
import typing
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final

from annotated_types import Ge, Gt, Interval, Le, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError

from gradscope.message_text import one_of_text

_STRICT: Final = ConfigDict(strict=True, allow_inf_nan=False)
_TYPE_NAMES: Final[dict[Any, str]] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    types.NoneType: "null",
    Any: "a value",
}


class AnnotationMismatchError(Exception):
    """The value does not fit the annotation."""


def check_value(annotation: Any, value: object) -> Any:
    """Give `value` in the annotation's type, as JSON-able data.

    Raises `AnnotationMismatchError` if it does not fit.

    The check runs on JSON: pydantic's strict mode for it takes lists for tuples and text for paths,
    but never text for numbers, numbers for booleans or the other way round.
    """
    adapter = _adapter(annotation)
    try:
        checked = adapter.validate_json(json.dumps(value, allow_nan=False))
    except (ValidationError, ValueError, TypeError, RecursionError):
        raise AnnotationMismatchError from None
    return adapter.dump_python(checked, mode="json")


def annotation_schema(annotation: Any) -> dict[str, Any]:
    """Give the JSON Schema of one annotation."""
    return _adapter(annotation).json_schema()


@lru_cache(maxsize=1024)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=_STRICT)


def takes_path(annotation: Any) -> bool:
    """Tell whether the annotation takes a path to a file."""
    plain_type, _ = _unwrap(annotation)
    return plain_type is Path or any(takes_path(member) for member in _union_members(plain_type))


def expected_text(annotation: Any) -> str:
    """Give the rule in words: `a whole number from 1 to 900`."""
    plain_type, limits = _unwrap(annotation)
    if typing.get_origin(plain_type) is typing.Literal:
        return one_of_text(typing.get_args(plain_type))
    members = _union_members(plain_type)
    if members:
        return " or ".join(expected_text(member) for member in members) + _range(limits)
    origin = typing.get_origin(plain_type)
    if origin in {list, tuple, set}:
        inner = [member for member in typing.get_args(plain_type) if member is not Ellipsis]
        return f"a list of {expected_text(inner[0])}" if inner else "a list"
    return _TYPE_NAMES.get(plain_type, "a value of another kind") + _range(limits)


def literal_choices(annotation: Any) -> tuple[str, ...]:
    """Give the names that the annotation allows, when it lists them."""
    plain_type, _ = _unwrap(annotation)
    if typing.get_origin(plain_type) is typing.Literal:
        return tuple(member for member in typing.get_args(plain_type) if isinstance(member, str))
    return tuple(name for member in _union_members(plain_type) for name in literal_choices(member))


def _union_members(plain_type: Any) -> tuple[Any, ...]:
    if typing.get_origin(plain_type) in {typing.Union, types.UnionType}:
        return typing.get_args(plain_type)
    return ()


def _unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    if typing.get_origin(annotation) is Annotated:
        plain_type, *metadata = typing.get_args(annotation)
        return plain_type, tuple(_flat(metadata))
    return annotation, ()


def _flat(metadata: list[Any]) -> typing.Iterator[Any]:
    for item in metadata:
        if isinstance(item, Interval):
            yield from item
        elif type(item).__name__ == "FieldInfo":
            yield from item.metadata
        else:
            yield item


def _range(limits: tuple[Any, ...]) -> str:
    lowest = next((limit for limit in limits if isinstance(limit, (Ge, Gt))), None)
    highest = next((limit for limit in limits if isinstance(limit, (Le, Lt))), None)
    low = "" if lowest is None else _bound(lowest.ge if isinstance(lowest, Ge) else lowest.gt)
    high = "" if highest is None else _bound(highest.le if isinstance(highest, Le) else highest.lt)
    below = isinstance(highest, Lt)
    if low and high:
        first = f" above {low}" if isinstance(lowest, Gt) else f" from {low}"
        if isinstance(lowest, Gt):
            return f"{first} and {'below' if below else 'at most'} {high}"
        return f"{first} up to but not including {high}" if below else f"{first} to {high}"
    if low:
        return f" above {low}" if isinstance(lowest, Gt) else f" of at least {low}"
    if high:
        return f" below {high}" if below else f" of at most {high}"
    return ""


def _bound(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
