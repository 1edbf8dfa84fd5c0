"""The forms a value can have in a config: each reads one, and describes itself as JSON Schema.

A form reports every mistake it finds to the document, with its place, and goes on. What it gives
back is used only when the whole config is without a problem, so a wrong value may be anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

from annotated_types import Ge, Gt, Le

from gradscope.catalog.parameter import Parameter
from gradscope.config.document.document import REFUSED, Document
from gradscope.config.value_readers.type_annotation import (
    MismatchError,
    check,
    choices_of,
    expected,
    is_path,
    json_schema_of,
    one_of,
)
from gradscope.message_text import TreePath, did_you_mean, sanitise, show

Schema = dict[str, Any]

_BOOLEANS: Final = {
    **dict.fromkeys(("yes", "on", "y"), "write true"),
    **dict.fromkeys(("no", "off", "n"), "write false"),
}


@dataclass
class Reading:
    """What a form needs besides the value: where to report, and where relative paths start."""

    document: Document
    folder: Path | None = None

    def report(self, path: TreePath, message: str, remedy: str = "", at_key: bool = False) -> None:
        """Report one mistake at `path`."""
        self.document.report(path, message, remedy, at_key)


class Form(Protocol):
    """One way to write a value."""

    def read(self, value: Any, path: TreePath, reading: Reading) -> Any:
        """Check `value`; report what is wrong with it; give what it stands for."""

    def json_schema(self) -> Schema:
        """Describe what may be written, as JSON Schema 2020-12."""


@dataclass(frozen=True)
class Plain:
    """A single value that fits a Python annotation."""

    annotation: Any

    def read(self, value: Any, path: TreePath, reading: Reading) -> Any:
        """Check the value strictly; a relative path starts at the config's folder."""
        if value is REFUSED:
            return REFUSED
        try:
            checked = check(self.annotation, value)
        except MismatchError:
            message = f"expected {expected(self.annotation)}, received {show(value)}"
            reading.report(path, message, self._remedy(value))
            return REFUSED
        if is_path(self.annotation) and isinstance(checked, str) and reading.folder is not None:
            return str(reading.folder / _expanded(checked))
        return checked

    def _remedy(self, value: Any) -> str:
        wanted = expected(self.annotation)
        if isinstance(value, float) and not math.isfinite(value):
            return "numbers must be finite"
        if wanted == "true or false" and isinstance(value, str):
            return _BOOLEANS.get(value.lower(), "")
        if isinstance(value, float) and "whole number" in wanted:
            whole = value.is_integer() and abs(value) < 1e15
            return f"write {int(value)}" if whole else ""
        if isinstance(value, (int, float)) and wanted == "text":
            return "put it in quotes to make it text"
        return did_you_mean(value, choices_of(self.annotation))

    def json_schema(self) -> Schema:
        """Describe the annotation."""
        return json_schema_of(self.annotation)


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no such user, or no home folder: the name is then meant literally
        return Path(text)


def read_free(written: dict[str, Any], path: TreePath, reading: Reading) -> dict[str, Any]:
    """Read keys of which nothing is known but that they hold plain, finite values."""
    return {key: Plain(Any).read(item, (*path, key), reading) for key, item in written.items()}


@dataclass(frozen=True)
class Key:
    """One key of a mapping: its form, what it is when not written, and a sentence about it.

    `default` is what the form would give back, or None for "not written".
    """

    form: Form
    default: Any = None
    description: str = ""
    required: bool = False


@dataclass(frozen=True)
class Table:
    """A mapping with a fixed set of keys."""

    keys: Mapping[str, Key]

    def read(self, value: Any, path: TreePath, reading: Reading) -> dict[str, Any]:
        """Read every key; give all keys, those not written with their default."""
        if not isinstance(value, dict):
            if value is not REFUSED:
                listed = ", ".join(self.keys)
                reading.report(path, f"expected a mapping ({listed}), received {show(value)}")
            return {name: key.default for name, key in self.keys.items()}
        result = {name: key.default for name, key in self.keys.items()}
        for name, item in value.items():
            key = self.keys.get(name)
            if key is None:
                report_unknown_key(name, path, self.keys, reading)
            else:
                result[name] = key.form.read(item, (*path, name), reading)
        for name, key in self.keys.items():
            if key.required and name not in value:
                reading.report((*path, name), "is required", f"add `{name}:`")
        return result

    def json_schema(self) -> Schema:
        """Describe the keys; others are not allowed."""
        schema: Schema = {
            "type": "object",
            "properties": {name: _key_schema(key) for name, key in self.keys.items()},
            "additionalProperties": False,
        }
        required = [name for name, key in self.keys.items() if key.required]
        return {**schema, "required": required} if required else schema


def _key_schema(key: Key) -> Schema:
    schema = key.form.json_schema()
    if key.description:
        schema = {**schema, "description": key.description}
    if isinstance(key.default, (bool, int, float, str)):
        schema = {**schema, "default": key.default}
    return schema


def report_unknown_key(
    name: str, path: TreePath, known: Mapping[str, object], reading: Reading
) -> None:
    """Report a key that does not exist here, with the nearest or all that do."""
    remedy = did_you_mean(name, known) or f"known here: {', '.join(known)}"
    reading.report(
        (*path, name), f"unknown key '{sanitise(name)}'", remedy if known else "", at_key=True
    )


@dataclass(frozen=True)
class Items:
    """A list with at least one item, all of one form."""

    item: Form
    maximum: int = 10_000

    def read(self, value: Any, path: TreePath, reading: Reading) -> tuple[Any, ...]:
        """Read every item."""
        if value is REFUSED:
            return ()
        if not isinstance(value, list) or not 1 <= len(value) <= self.maximum:
            received = "an empty list" if value == [] else show(value)
            reading.report(
                path, f"expected a list of 1 to {self.maximum} items, received {received}"
            )
            return ()
        return tuple(
            self.item.read(item, (*path, index), reading) for index, item in enumerate(value)
        )

    def json_schema(self) -> Schema:
        """Describe the list."""
        return {
            "type": "array",
            "items": self.item.json_schema(),
            "minItems": 1,
            "maxItems": self.maximum,
        }


@dataclass(frozen=True)
class OrWord:
    """Either one fixed word, which stands for itself, or another form."""

    word: str
    form: Form

    def read(self, value: Any, path: TreePath, reading: Reading) -> Any:
        """Give the word, or what the other form reads."""
        return value if value == self.word else self.form.read(value, path, reading)

    def json_schema(self) -> Schema:
        """Describe both."""
        return {"anyOf": [{"const": self.word}, self.form.json_schema()]}


@dataclass(frozen=True)
class Switch:
    """A word out of three, where true and false also mean on and off."""

    def read(self, value: Any, path: TreePath, reading: Reading) -> Any:
        """Give auto, on or off."""
        if value is REFUSED:
            return REFUSED
        if isinstance(value, bool):
            return "on" if value else "off"
        if value not in ("auto", "on", "off"):
            reading.report(path, f"expected one of auto, on, off, received {show(value)}")
        return value

    def json_schema(self) -> Schema:
        """Describe the three words."""
        return {"enum": ["auto", "on", "off", True, False]}


class Choice(Protocol):
    """Something that can be chosen by name and has parameters (an activation, an optimizer)."""

    @property
    def name(self) -> str:
        """Keras's name."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names for the same."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """What it can be told."""


@dataclass(frozen=True)
class Named:
    """A choice out of a catalog: a name alone, or a mapping of `name` and parameters.

    Reads as `(canonical name, {parameter: value})`, complete with the defaults.
    """

    noun: str
    catalog: Mapping[str, Choice]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def read(self, value: Any, path: TreePath, reading: Reading) -> tuple[str, dict[str, Any]]:
        """Find the choice and read its parameters."""
        nothing: tuple[str, dict[str, Any]] = ("", {})
        written = value if isinstance(value, dict) else {"name": value}
        at = (*path, "name") if isinstance(value, dict) else path
        if value is REFUSED:
            return nothing
        if "name" not in written:
            reading.report(at, f"the {self.noun} has no name", "add `name:`")
            return nothing
        choice = self._find(written["name"], at, reading)
        if choice is None:
            return nothing
        keys = {name: key_of_parameter(item) for name, item in choice.parameters.items()}
        rest = {name: item for name, item in written.items() if name != "name"}
        for unknown in [name for name in rest if name not in keys]:
            self._report_unknown(choice, unknown, path, reading)
            del rest[unknown]
        parameters = Table(keys).read(rest, path, reading)
        _check_limits(parameters, path, reading)
        return choice.name, parameters

    def _find(self, name: object, path: TreePath, reading: Reading) -> Choice | None:
        if name is REFUSED:
            return None
        for choice in self.catalog.values():
            if isinstance(name, str) and name in (choice.name, *choice.aliases):
                return choice
        if isinstance(name, str) and name in self.elsewhere:
            reading.report(path, self.elsewhere[name])
            return None
        remedy = did_you_mean(name, self.names())
        allowed = one_of(sorted(self.catalog))
        reading.report(path, f"{show(name)} is not a known {self.noun}; expected {allowed}", remedy)
        return None

    def _report_unknown(self, choice: Choice, name: str, path: TreePath, reading: Reading) -> None:
        known = list(choice.parameters)
        remedy = did_you_mean(name, [*known, "name"])
        listed = f"known: {', '.join(known)}" if known else f"{choice.name} takes no parameters"
        message = f"unknown key '{sanitise(name)}' for {choice.name}"
        reading.report((*path, name), message, remedy or listed, at_key=True)

    def names(self) -> list[str]:
        """Give every name that can be written."""
        return sorted(
            name for choice in self.catalog.values() for name in (choice.name, *choice.aliases)
        )

    def default(self, name: str) -> tuple[str, dict[str, Any]]:
        """Give what the bare `name` reads as."""
        parameters = self.catalog[name].parameters
        return name, {key: parameter.default for key, parameter in parameters.items()}

    def json_schema(self) -> Schema:
        """Describe the names, and each name's mapping."""
        mappings = [_choice_schema(choice) for _, choice in sorted(self.catalog.items())]
        return {"anyOf": [{"enum": self.names()}, *mappings]}


def _check_limits(parameters: dict[str, Any], path: TreePath, reading: Reading) -> None:
    low, high = parameters.get("minval"), parameters.get("maxval")
    if isinstance(low, float) and isinstance(high, float) and low >= high:
        reading.report((*path, "maxval"), f"maxval {high} must be above minval {low}")


def _choice_schema(choice: Choice) -> Schema:
    keys = {name: key_of_parameter(item) for name, item in choice.parameters.items()}
    schema = Table(keys).json_schema()
    names = {"enum": [choice.name, *choice.aliases]}
    properties = {"name": names, **schema["properties"]}
    return {**schema, "properties": properties, "required": ["name"]}


def key_of_parameter(parameter: Parameter) -> Key:
    """Give the key by which a parameter of the catalog is written."""
    annotation = annotation_of_parameter(parameter)
    return Key(Plain(annotation), parameter.default, parameter.description)


_LARGEST: Final = 10**9


def annotation_of_parameter(parameter: Parameter) -> Any:
    """Give the Python annotation that says what a parameter of the catalog takes."""
    default = parameter.default
    if isinstance(default, bool):
        return bool
    if isinstance(default, str):
        return Literal[parameter.choices] if parameter.choices else str
    limits: list[Any] = []
    whole = parameter.whole or isinstance(default, int)
    if parameter.minimum is not None:
        low: Any = int(parameter.minimum) if whole else parameter.minimum
        limits.append(Gt(low) if parameter.exclusive_minimum else Ge(low))
    if parameter.maximum is not None or whole:
        high: Any = _LARGEST if parameter.maximum is None else parameter.maximum
        limits.append(Le(int(high) if whole else high))
    bare: Any = int if whole else float
    annotation = Annotated[(bare, *limits)] if limits else bare
    return annotation | None if default is None else annotation
