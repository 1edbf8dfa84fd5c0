"""The `data` section of a config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.sections.user_model import factory_keys
from gradscope.config.value_readers.mapping_reader import Key, MappingReader, read_open_keys
from gradscope.config.value_readers.registered_functions import (
    RegisteredFunctions,
    keys_of_function,
)
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext, Schema
from gradscope.message_text import did_you_mean, one_of_text, sanitise, show_value

DEFAULT_DATA: Final = "fashion_mini"
USER_DATA: Final = "factory"


@dataclass(frozen=True)
class DataReader:
    """The data set: a name, a mapping of its parameters beside `scaling`, or a factory."""

    registered: RegisteredFunctions | None

    def read(self, value: Any, path: TreePath, context: ReadContext) -> dict[str, Any]:
        """Read as `{name, scaling, parameters}`."""
        written = {"name": value} if isinstance(value, str) else value
        if not isinstance(written, dict):
            if value is not INVALID:
                context.report(
                    path,
                    "expected a data set's name or a mapping with `name`, "
                    f"received {show_value(value)}",
                )
            return {}
        if "factory" in written or "arguments" in written:
            return _read_factory(written, path, context)
        name_path = path if isinstance(value, str) else (*path, "name")
        name = self._name(written, name_path, context)
        parameter_keys = self._parameter_keys(name)
        if parameter_keys is None:
            declared = {key: item for key, item in written.items() if key in _DATA_KEYS}
            values = MappingReader(_DATA_KEYS).read(declared, path, context)
            rest = {key: item for key, item in written.items() if key not in _DATA_KEYS}
            parameters = {} if self.registered else read_open_keys(rest, path, context)
            return {"name": name, "scaling": values["scaling"], "parameters": parameters}
        keys = {**_DATA_KEYS, **parameter_keys}
        values = MappingReader(keys).read(written, path, context)
        parameters = {key: values[key] for key in parameter_keys}
        return {"name": name, "scaling": values["scaling"], "parameters": parameters}

    def _name(self, written: dict[str, Any], path: TreePath, context: ReadContext) -> Any:
        name = written.get("name", DEFAULT_DATA)
        if name is INVALID:
            return INVALID
        if not isinstance(name, str):
            return INVALID  # the mapping reader reports it
        if self.registered is not None and name not in self.registered.datasets:
            names = list(self.registered.datasets)
            message = f"{show_value(name)} is not a known data set; expected {one_of_text(names)}"
            context.report(path, message, did_you_mean(name, names))
            return INVALID
        return name

    def _parameter_keys(self, name: Any) -> dict[str, Key] | None:
        if self.registered is None or not isinstance(name, str):
            return None
        keys = keys_of_function(self.registered.datasets[name])
        return {key: item for key, item in keys.items() if key not in _DATA_KEYS}

    def json_schema(self) -> Schema:
        """Describe one mapping per data set."""
        if self.registered is None:
            table = MappingReader(_DATA_KEYS).json_schema()
            free = {
                **table,
                "additionalProperties": True,
                "not": {"anyOf": [{"required": [key]} for key in _FACTORY_KEYS]},
            }
            return {"anyOf": [{"type": "string"}, free, _factory_schema()]}
        mappings = []
        for name in self.registered.datasets:
            table = MappingReader(
                {**_DATA_KEYS, **(self._parameter_keys(name) or {})}
            ).json_schema()
            table["properties"]["name"] = {"const": name}
            required = [] if name == DEFAULT_DATA else ["name"]
            mappings.append({**table, "required": [*table.get("required", []), *required]})
        return {"anyOf": [{"enum": list(self.registered.datasets)}, *mappings, _factory_schema()]}


def _read_factory(written: dict[str, Any], path: TreePath, context: ReadContext) -> dict[str, Any]:
    """Read a factory and its arguments; its result is fed to the network unchanged."""
    others = [key for key in written if key not in _FACTORY_KEYS]
    if "factory" not in written:
        context.report(
            (*path, "arguments"), "arguments are those of a factory", "add factory:", at_key=True
        )
    elif others:
        context.report(
            (*path, others[0]),
            f"{sanitise(others[0])} does not go with factory, which gives the data as it is fed",
            "remove it, or pass what the factory needs under arguments",
            at_key=True,
        )
    declared = {key: item for key, item in written.items() if key in _FACTORY_KEYS}
    values = MappingReader(_FACTORY_KEYS).read(declared, path, context)
    parameters = {"factory": values["factory"], "arguments": values["arguments"] or {}}
    return {"name": USER_DATA, "scaling": "none", "parameters": parameters}


def _factory_schema() -> Schema:
    return {**MappingReader(_FACTORY_KEYS).json_schema(), "required": ["factory"]}


_FACTORY_KEYS: Final[dict[str, Key]] = factory_keys("data of your own")


_DATA_KEYS: Final[dict[str, Key]] = {
    "name": Key(TypedValueReader(str), DEFAULT_DATA, "the data set"),
    "scaling": Key(
        TypedValueReader(Literal["standardize", "unit", "minmax", "none"]),
        "standardize",
        "how features are scaled; unit divides by 255",
    ),
}
