"""Restricted YAML: every text has one meaning, and every error a location.

Invalid: tags, anchors, aliases, merge keys, several documents, duplicate keys, keys that are not
plain text, and files beyond the limits below. Scalars follow YAML 1.2's core schema (`1e-3` is a
number; `no`, `on` and `12:30` are text) with one difference: a number with a leading zero (`017`)
is refused, because YAML 1.1 reads 15 and YAML 1.2 reads 17.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from gradscope.config.document.document import (
    INVALID,
    MAXIMUM_NESTING,
    MAXIMUM_NODES,
    Document,
    Location,
)
from gradscope.config.document.tree_path import TreePath
from gradscope.message_text import sanitise

MAXIMUM_BYTES: Final = 256 * 1024
MAXIMUM_DIGITS: Final = 20

_PARSER_FAILURES: Final = (
    yaml.YAMLError,
    ValueError,
    OverflowError,
    RecursionError,
    AttributeError,
    LookupError,
)
"""Exceptions of the parser on malformed texts; it documents only the first."""

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_CONSTANTS: Final = (
    (re.compile(r"(?:~|null|Null|NULL|)\Z"), None),
    (re.compile(r"(?:true|True|TRUE)\Z"), True),
    (re.compile(r"(?:false|False|FALSE)\Z"), False),
    (re.compile(r"\+?\.(?:inf|Inf|INF)\Z"), float("inf")),
    (re.compile(r"-\.(?:inf|Inf|INF)\Z"), float("-inf")),
    (re.compile(r"\.(?:nan|NaN|NAN)\Z"), float("nan")),
)


class _GiveUpError(Exception):
    """The rest cannot be read; the problem is already reported."""


def read_yaml(data: bytes | str, source: str, flag: bool = False) -> Document:
    """Read a config's text; every mistake is added to the document's `problems`, none is raised.

    With `flag`, the text is the value of a command-line override: locations have no line.
    """
    document = Document(source)
    text = data if isinstance(data, str) else _decode(data, document)
    if text is None:
        return document
    try:
        document.tree = _Builder(document, flag).build(text)
    except _GiveUpError:
        document.tree = INVALID
    except yaml.MarkedYAMLError as error:
        _report_syntax(document, error, flag)
    except _PARSER_FAILURES as error:
        document.tree = INVALID
        document.report((), f"this is not YAML: {_first_line(error)}")
    return document


def _decode(data: bytes, document: Document) -> str | None:
    document.tree = INVALID
    if len(data) > MAXIMUM_BYTES:
        limit = f"{MAXIMUM_BYTES // 1024} KiB"
        document.report((), f"the file has more than {limit}, the limit for a config")
        return None
    if b"\0" in data:
        document.report((), "this is a binary file, not a YAML config", "give the .yaml file")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        document.report_at(
            Location(document.source, line, column),
            (),
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        )
        return None


def _report_syntax(document: Document, error: yaml.MarkedYAMLError, flag: bool) -> None:
    document.tree = INVALID
    mark = error.problem_mark or error.context_mark
    location = Location(document.source)
    if mark is not None and not flag:
        location = Location(document.source, mark.line + 1, mark.column + 1)
    problem = sanitise(error.problem or error.context or "cannot be parsed", 200)
    remedy = "indent with spaces, not tabs" if "'\\t'" in problem else ""
    document.report_at(location, (), f"this is not YAML: {problem}", remedy)


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return sanitise(text.splitlines()[0], 200)


def _short_tag(tag: str) -> str:
    return sanitise(tag.replace("tag:yaml.org,2002:", "!!"))


class _Builder:
    """Turns the parser's events into a tree; never recurses deeper than the depth limit."""

    def __init__(self, document: Document, flag: bool) -> None:
        self._document = document
        self._flag = flag
        self._nodes = 0

    def build(self, text: str) -> Any:
        events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        tree = None
        self._document.value_locations[()] = Location(
            self._document.source, 0 if self._flag else 1, 1
        )
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if self._nodes:
                    self._problem(event, (), "a config is one YAML document, here a second starts")
                    raise _GiveUpError
                tree = self._node(next(events), events, ())
                self._nodes += 1
        return tree

    def _location(self, event: yaml.Event) -> Location:
        if self._flag or event.start_mark is None:
            return Location(self._document.source)
        mark = event.start_mark
        return Location(self._document.source, mark.line + 1, mark.column + 1)

    def _problem(self, event: yaml.Event, path: TreePath, message: str, remedy: str = "") -> None:
        self._document.report_at(self._location(event), path, message, remedy)

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], path: TreePath) -> Any:
        self._count(event, path)
        if path:
            self._document.value_locations[path] = self._location(event)
        if isinstance(event, yaml.AliasEvent):
            self._problem(
                event,
                path,
                f"alias '*{sanitise(event.anchor or '')}' is not allowed",
                "write the value out",
            )
            return INVALID
        refused = self._decorated(event, path)
        value: Any
        if isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(events, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(events, path)
        else:
            assert isinstance(event, yaml.ScalarEvent)
            value = self._scalar(event, path)
        return INVALID if refused else value

    def _count(self, event: yaml.Event, path: TreePath) -> None:
        self._nodes += 1
        if self._nodes > MAXIMUM_NODES:
            self._problem(event, path[:2], f"more than {MAXIMUM_NODES} values in one config")
            raise _GiveUpError
        if len(path) > MAXIMUM_NESTING:
            self._problem(event, path[:2], f"nested more than {MAXIMUM_NESTING} levels deep")
            raise _GiveUpError

    def _decorated(self, event: yaml.Event, path: TreePath) -> bool:
        assert isinstance(event, yaml.NodeEvent)
        tag = getattr(event, "tag", None)
        if event.anchor is not None:
            self._problem(
                event,
                path,
                f"anchor '&{sanitise(event.anchor)}' is not allowed",
                "write the value out where it is needed",
            )
        if tag is not None:
            self._problem(event, path, f"tag '{_short_tag(tag)}' is not allowed", "remove it")
        return event.anchor is not None or tag is not None

    def _sequence(self, events: Iterator[yaml.Event], path: TreePath) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, events, (*path, len(items))))
        return items

    def _mapping(self, events: Iterator[yaml.Event], path: TreePath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, events, path)
            if key is None or key in mapping:
                self._skip(next(events), events, path)
                continue
            self._document.key_locations[(*path, key)] = self._location(event)
            mapping[key] = self._node(next(events), events, (*path, key))
        return mapping

    def _key(self, event: yaml.Event, events: Iterator[yaml.Event], path: TreePath) -> str | None:
        """Read a key; None when it cannot be used (reported)."""
        if not isinstance(event, yaml.ScalarEvent):
            self._problem(event, path, "a key must be plain text", "quote it if it is text")
            self._skip(event, events, path)
            return None
        self._count(event, path)
        key: str = event.value
        if self._decorated(event, (*path, key)):
            return None
        if key == "<<" and event.style is None:
            self._problem(event, path, "merge key '<<' is not allowed", "write the keys out")
            return None
        first = self._document.key_locations.get((*path, key))
        if first is not None:
            where = f" (first on line {first.line})" if first.line else ""
            self._problem(event, (*path, key), f"duplicate key{where}", "keep one of them")
        return key

    def _skip(self, event: yaml.Event, events: Iterator[yaml.Event], path: TreePath) -> None:
        """Read past one node that cannot be used."""
        level = 0
        while True:
            self._count(event, path)
            if isinstance(event, yaml.CollectionStartEvent):
                level += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                level -= 1
            if level == 0:
                return
            event = next(events)

    def _scalar(self, event: yaml.ScalarEvent, path: TreePath) -> Any:
        text: str = event.value
        if event.style is not None:
            return text
        if _LEADING_ZERO.match(text):
            plain = text.lstrip("+-").lstrip("0") or "0"
            self._problem(
                event,
                path,
                f"'{sanitise(text)}' has a leading zero",
                f"write {sanitise(plain)}, or quote it if it is text",
            )
            return INVALID
        if _INTEGER.match(text) and len(text.lstrip("+-")) > MAXIMUM_DIGITS:
            self._problem(
                event, path, f"'{sanitise(text, 40)}' has more than {MAXIMUM_DIGITS} digits"
            )
            return INVALID
        return _core_scalar(text)


def _core_scalar(text: str) -> bool | int | float | str | None:
    """Read an unquoted scalar by YAML 1.2's core schema (decimal integers only)."""
    for pattern, value in _CONSTANTS:
        if pattern.match(text):
            return value
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
