"""A choice out of a catalog, such as an activation: a name alone, or a name with parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Protocol

from annotated_types import Ge, Gt, Le

from gradscope.catalog.parameter import Parameter
from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.value_readers.mapping_reader import Key, MappingReader
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext, Schema
from gradscope.message_text import did_you_mean, one_of_text, sanitise, show_value


class CatalogEntry(Protocol):
    """An entry of a catalog with a name and parameters, such as an activation."""

    @property
    def name(self) -> str:
        """Keras's name."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names of the entry."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Its parameters by name."""


@dataclass(frozen=True)
class CatalogChoiceReader:
    """An entry of a catalog: a name alone, or a mapping of `name` and parameters.

    Reads as `(canonical name, {parameter: value})`, complete with the defaults.
    """

    noun: str
    catalog: Mapping[str, CatalogEntry]
    refused: Mapping[str, str] = field(default_factory=dict)

    def read(self, value: Any, path: TreePath, context: ReadContext) -> tuple[str, dict[str, Any]]:
        """Find the entry and read its parameters."""
        nothing: tuple[str, dict[str, Any]] = ("", {})
        written = value if isinstance(value, dict) else {"name": value}
        name_path = (*path, "name") if isinstance(value, dict) else path
        if value is INVALID:
            return nothing
        if "name" not in written:
            context.report(name_path, f"the {self.noun} has no name", "add `name:`")
            return nothing
        choice = self._find(written["name"], name_path, context)
        if choice is None:
            return nothing
        keys = {name: key_of_parameter(item) for name, item in choice.parameters.items()}
        rest = {name: item for name, item in written.items() if name != "name"}
        for unknown in [name for name in rest if name not in keys]:
            self._report_unknown(choice, unknown, path, context)
            del rest[unknown]
        parameters = MappingReader(keys).read(rest, path, context)
        _check_limits(parameters, path, context)
        return choice.name, parameters

    def _find(self, name: object, path: TreePath, context: ReadContext) -> CatalogEntry | None:
        if name is INVALID:
            return None
        for choice in self.catalog.values():
            if isinstance(name, str) and name in (choice.name, *choice.aliases):
                return choice
        if isinstance(name, str) and name in self.refused:
            context.report(path, self.refused[name])
            return None
        remedy = did_you_mean(name, self.names())
        allowed = one_of_text(sorted(self.catalog))
        context.report(
            path, f"{show_value(name)} is not a known {self.noun}; expected {allowed}", remedy
        )
        return None

    def _report_unknown(
        self, choice: CatalogEntry, name: str, path: TreePath, context: ReadContext
    ) -> None:
        parameters = list(choice.parameters)
        remedy = did_you_mean(name, [*parameters, "name"])
        listed = (
            f"known: {', '.join(parameters)}"
            if parameters
            else f"{choice.name} takes no parameters"
        )
        message = f"unknown key '{sanitise(name)}' for {choice.name}"
        context.report((*path, name), message, remedy or listed, at_key=True)

    def names(self) -> list[str]:
        """Give all names and aliases."""
        return sorted(
            name for choice in self.catalog.values() for name in (choice.name, *choice.aliases)
        )

    def default(self, name: str) -> tuple[str, dict[str, Any]]:
        """Give the value of `name` alone."""
        parameters = self.catalog[name].parameters
        return name, {key: parameter.default for key, parameter in parameters.items()}

    def json_schema(self) -> Schema:
        """Describe the names, and each name's mapping."""
        mappings = [_choice_schema(choice) for _, choice in sorted(self.catalog.items())]
        return {"anyOf": [{"enum": self.names()}, *mappings]}


def _check_limits(parameters: dict[str, Any], path: TreePath, context: ReadContext) -> None:
    low, high = parameters.get("minval"), parameters.get("maxval")
    if isinstance(low, float) and isinstance(high, float) and low >= high:
        context.report((*path, "maxval"), f"maxval {high} must be above minval {low}")


def _choice_schema(choice: CatalogEntry) -> Schema:
    keys = {name: key_of_parameter(item) for name, item in choice.parameters.items()}
    schema = MappingReader(keys).json_schema()
    names = {"enum": [choice.name, *choice.aliases]}
    properties = {"name": names, **schema["properties"]}
    return {**schema, "properties": properties, "required": ["name"]}


def key_of_parameter(parameter: Parameter) -> Key:
    """Give the key by which a parameter of the catalog is written."""
    annotation = annotation_of_parameter(parameter)
    return Key(TypedValueReader(annotation), parameter.default, parameter.description)


LARGEST_INTEGER: Final = 10**9
LARGEST_FLOAT: Final = 3.4e38
"""TensorFlow computes in float32, whose largest number is 3.4028e38; beyond it a value is Inf."""


def annotation_of_parameter(parameter: Parameter) -> Any:
    """Give the Python annotation that says what a parameter of the catalog takes."""
    default = parameter.default
    if isinstance(default, bool):
        return bool
    if isinstance(default, str):
        return Literal[parameter.choices] if parameter.choices else str
    whole = parameter.whole or isinstance(default, int)
    limits: list[Any] = []
    low = parameter.minimum
    if low is None and not whole:
        low = -LARGEST_FLOAT
    if low is not None:
        bound: Any = int(low) if whole else low
        limits.append(Gt(bound) if parameter.exclusive_minimum else Ge(bound))
    high = parameter.maximum
    if high is None:
        high = LARGEST_INTEGER if whole else LARGEST_FLOAT
    limits.append(Le(int(high) if whole else high))
    annotation: Any = Annotated[(int if whole else float, *limits)]
    return annotation | None if default is None else annotation
