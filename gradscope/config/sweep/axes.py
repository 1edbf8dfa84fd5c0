"""The `sweep` section of a config: the keys that vary, and how their values are combined.

An axis is a key and its values. Values are a list; or `{range: [LOW, HIGH], num: N}`, evenly
spaced; or `{log: [LOW, HIGH], num: N}`, evenly spaced in the logarithm. A list of mappings under a
section's name, or under a name of its own, is a paired axis: the keys of each mapping belong
together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Le

from gradscope.config.document.document import INVALID, Document, Location
from gradscope.config.document.tree_path import TreePath, dotted_path
from gradscope.config.overrides import Override, parse_path
from gradscope.config.sections.sweep import RANDOM_KEYS
from gradscope.config.value_readers.mapping_reader import MappingReader, report_unknown_key
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext
from gradscope.message_text import show_value

MOST_VALUES: Final = 10_000
_DIGITS: Final = 6
"""Significant digits of spaced and drawn numbers: they can be read, and typed again."""

_SECTIONS: Final = ("model", "data", "training", "detectors", "expect")

Combine = Literal["grid", "zip", "random"]


@dataclass(frozen=True)
class AxisValue:
    """One value of an axis: what it sets, and its label for a reader."""

    settings: tuple[Override, ...]
    label: str


@dataclass(frozen=True)
class Span:
    """The numbers of an axis that is a range; `num` is None where values are only drawn."""

    low: float
    high: float
    logarithmic: bool
    integer: bool
    num: int | None

    def at(self, share: float) -> int | float:
        """The number at a share of the way from the low end to the high one."""
        if self.logarithmic:
            value = math.exp(
                math.log(self.low) + share * (math.log(self.high) - math.log(self.low))
            )
        else:
            value = self.low + share * (self.high - self.low)
        return round(value) if self.integer else float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True)
class Axis:
    """One axis: its name, the keys it sets, and its values, listed or within a span."""

    name: str
    keys: tuple[TreePath, ...]
    values: tuple[AxisValue, ...]
    location: Location
    span: Span | None = None

    def drawn(self, share: float) -> AxisValue:
        """The value at a share in [0, 1): of a span any number, of a list one of its values."""
        if self.span is None:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        return _spanned(self.keys[0], self.span.at(share), self.location)


@dataclass(frozen=True)
class Combination:
    """How the axes are combined; `draws` and `seed` are those of ``random``."""

    kind: Combine = "grid"
    draws: int = 0
    seed: int = 0


@dataclass(frozen=True)
class SweepSection:
    """The section as read: its axes, how they are combined, and seeds per combination."""

    axes: tuple[Axis, ...] = ()
    combine: Combination = Combination()
    seeds: int = 1


_SPAN_KEYS: Final = ("range", "log", "num", "integer")


_KEYS: Final = ("axes", "combine", "seeds")


def read_section(value: Any, context: ReadContext) -> SweepSection:
    """Read a `sweep` section; mistakes are reported to the context's document."""
    path: TreePath = ("sweep",)
    if not isinstance(value, dict):
        if value is not INVALID:
            context.report(
                path, f"expected a mapping ({', '.join(_KEYS)}), received {show_value(value)}"
            )
        return SweepSection()
    for name in value:
        if name not in _KEYS:
            report_unknown_key(name, path, dict.fromkeys(_KEYS), context)
    axes = _read_axes(value.get("axes", {}), (*path, "axes"), context)
    combine = _read_combination(value.get("combine", "grid"), (*path, "combine"), context)
    seeds = TypedValueReader(Annotated[int, Ge(1), Le(1000)]).read(
        value.get("seeds", 1), (*path, "seeds"), context
    )
    return SweepSection(axes, combine, seeds if isinstance(seeds, int) else 1)


def _read_axes(value: Any, path: TreePath, context: ReadContext) -> tuple[Axis, ...]:
    if not isinstance(value, dict) or not value:
        if value is not INVALID and value != {}:
            context.report(
                path,
                f"expected a mapping of keys and their values, received {show_value(value)}",
                "as in axes: {model.depth: [5, 10, 20]}",
            )
        return ()
    axes = (read_axis(name, item, (*path, name), context) for name, item in value.items())
    return tuple(axis for axis in axes if axis is not None)


def _read_combination(value: Any, path: TreePath, context: ReadContext) -> Combination:
    if value in ("grid", "zip"):
        return Combination(value)
    if isinstance(value, dict) and set(value) == {"random"}:
        read = MappingReader(RANDOM_KEYS).read(value["random"], (*path, "random"), context)
        if isinstance(read["n"], int) and isinstance(read["seed"], int):
            return Combination("random", read["n"], read["seed"])
        return Combination()
    if value is not INVALID:
        context.report(
            path,
            f"expected grid, zip or {{random: {{n: N, seed: S}}}}, received {show_value(value)}",
        )
    return Combination()


def read_axis(name: str, value: Any, path: TreePath, context: ReadContext) -> Axis | None:
    """Read one axis, whose values are at `path` of the document; None where it has a mistake."""
    document = context.document
    if name in ("sweep", "name") or name.startswith(("sweep.", "name.")):
        document.report(path, f"{name} cannot be an axis", at_key=True)
        return None
    if isinstance(value, dict):
        return _read_span(name, value, path, context)
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_VALUES:
        if value is not INVALID:
            document.report(
                path,
                f"expected a list of 1 to {MOST_VALUES:,} values, {{range: [LOW, HIGH], num: N}} "
                f"or {{log: [LOW, HIGH], num: N}}, received "
                f"{'an empty list' if value == [] else show_value(value)}",
            )
        return None
    location = document.location(path, at_key=True)
    if _is_paired(name, value):
        return _read_pairs(name, value, path, document)
    key = _parsed_key(name, path, document)
    if key is None:
        return None
    values = tuple(
        AxisValue((_setting(key, item, (*path, index), document),), label_of(item))
        for index, item in enumerate(value)
    )
    return Axis(name, (key,), values, location)


def _is_paired(name: str, value: list[Any]) -> bool:
    """Whether the mappings of the list name keys, and are not values of the key `name`."""
    plain_name = "." not in name and "[" not in name
    mappings = any(isinstance(item, dict) for item in value)
    return plain_name and mappings and name not in ("seed", "device", "threads")


def _parsed_key(name: str, path: TreePath, document: Document) -> TreePath | None:
    key = parse_path(name)
    if key is None:
        document.report(path, "expected a key such as model.depth", at_key=True)
    return key


def _read_pairs(name: str, value: list[Any], path: TreePath, document: Document) -> Axis | None:
    """Values that set several keys together; keys are those of the section called `name`."""
    section = f"{name}." if name in _SECTIONS else ""
    values: list[AxisValue] = []
    keys: dict[TreePath, None] = {}
    for index, item in enumerate(value):
        at = (*path, index)
        if not isinstance(item, dict) or not item:
            if item is not INVALID:
                document.report(
                    at,
                    f"expected a mapping of keys and values, as the others, "
                    f"received {show_value(item)}",
                )
            return None
        settings = []
        for inner, part in item.items():
            key = _parsed_key(f"{section}{inner}", (*at, inner), document)
            if key is None:
                return None
            keys[key] = None
            settings.append(_setting(key, part, (*at, inner), document))
        label = ", ".join(label_of(part) for part in item.values())
        values.append(AxisValue(tuple(settings), label))
    for index, axis_value in enumerate(values):
        missing = [key for key in keys if key not in {s.path for s in axis_value.settings}]
        if missing:
            document.report(
                (*path, index),
                f"{dotted_path(missing[0])} is not set here, and is in other values of this axis",
                "set the same keys in each",
            )
            return None
    return Axis(name, tuple(keys), tuple(values), document.location(path, at_key=True))


def _read_span(
    name: str, value: dict[str, Any], path: TreePath, context: ReadContext
) -> Axis | None:
    document = context.document
    before = len(document.problems)
    for word in value:
        if word not in _SPAN_KEYS:
            report_unknown_key(word, path, dict.fromkeys(_SPAN_KEYS), context)
    kinds = [kind for kind in ("range", "log") if kind in value]
    if len(kinds) != 1 and len(document.problems) == before:
        document.report(path, "expected one of range and log", "as in {range: [0.5, 4.0], num: 12}")
    if len(document.problems) > before:
        return None
    (kind,) = kinds
    ends = value[kind]
    numeric = isinstance(ends, list) and len(ends) == 2 and all(map(_is_number, ends))
    if not numeric or not ends[0] < ends[1] or (kind == "log" and ends[0] <= 0):
        rule = "two positive numbers" if kind == "log" else "two numbers"
        document.report(
            (*path, kind), f"expected {rule} [LOW, HIGH] with LOW < HIGH, received {_shown(ends)}"
        )
        return None
    num = value.get("num")
    if num is not None:
        num = TypedValueReader(Annotated[int, Ge(2), Le(MOST_VALUES)]).read(
            num, (*path, "num"), context
        )
    whole = TypedValueReader(bool).read(value.get("integer", False), (*path, "integer"), context)
    key = _parsed_key(name, path, document)
    if key is None or len(document.problems) > before:
        return None
    span = Span(float(ends[0]), float(ends[1]), kind == "log", whole, num)
    if not whole and num is not None and all(isinstance(end, int) for end in ends):
        numbers = [span.at(i / (num - 1)) for i in range(num)]
        span = replace(span, integer=all(float(number).is_integer() for number in numbers))
    location = document.location(path)
    shares = [i / (num - 1) for i in range(num)] if num else []
    numbers = list(dict.fromkeys(span.at(share) for share in shares))
    values = tuple(_spanned(key, number, location) for number in numbers)
    return Axis(name, (key,), values, location, span)


def _shown(ends: Any) -> str:
    return str(ends) if isinstance(ends, list) and len(ends) <= 4 else show_value(ends)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _spanned(key: TreePath, number: int | float, location: Location) -> AxisValue:
    return AxisValue((Override(location, key, number),), label_of(number))


def _setting(key: TreePath, value: Any, at: TreePath, document: Document) -> Override:
    """The replacement of `key` by the value at `at` of the document, with its inner paths."""
    inner: dict[TreePath, None] = {}
    if isinstance(value, (dict, list)):
        for locations in (document.value_locations, document.key_locations):
            inner |= dict.fromkeys(p[len(at) :] for p in locations if p[: len(at)] == at)
    return Override(document.location(at), key, value, tuple(inner))


def label_of(value: Any) -> str:
    """A value as a label: as it is written in a config, without spaces where it can be."""
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, dict):
        name = value.get("name")
        rest = ", ".join(f"{k} {label_of(v)}" for k, v in value.items() if k != "name")
        return f"{name} ({rest})" if name and rest else str(name or rest)
    if isinstance(value, list):
        return "[" + ", ".join(map(label_of, value)) + "]"
    return str(value)
