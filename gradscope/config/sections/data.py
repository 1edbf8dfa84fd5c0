"""The `data` section as it may be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from gradscope.config.document.document import REFUSED
from gradscope.config.sections.user_model import factory_keys
from gradscope.config.value_readers.registered_functions import Vocabulary, keys_of_function
from gradscope.config.value_readers.type_annotation import one_of
from gradscope.config.value_readers.value_reader import (
    Key,
    Plain,
    Reading,
    Schema,
    Table,
    read_free,
)
from gradscope.message_text import TreePath, did_you_mean, sanitise, show

DEFAULT_DATA: Final = "fashion_mini"
OWN_DATA: Final = "factory"


@dataclass(frozen=True)
class Data:
    """The data set: its name alone, a mapping with its own keys beside `scaling`, or a factory."""

    vocabulary: Vocabulary | None

    def read(self, value: Any, path: TreePath, reading: Reading) -> dict[str, Any]:
        """Read as `{name, scaling, parameters}`."""
        written = {"name": value} if isinstance(value, str) else value
        if not isinstance(written, dict):
            if value is not REFUSED:
                reading.report(
                    path,
                    f"expected a data set's name or a mapping with `name`, received {show(value)}",
                )
            return {}
        if "factory" in written or "arguments" in written:
            return _read_own(written, path, reading)
        at = path if isinstance(value, str) else (*path, "name")
        name = self._name(written, at, reading)
        own = self._own_keys(name)
        if own is None:
            known = {key: item for key, item in written.items() if key in _DATA_KEYS}
            read = Table(_DATA_KEYS).read(known, path, reading)
            rest = {key: item for key, item in written.items() if key not in _DATA_KEYS}
            parameters = {} if self.vocabulary else read_free(rest, path, reading)
            return {"name": name, "scaling": read["scaling"], "parameters": parameters}
        keys = {**_DATA_KEYS, **own}
        read = Table(keys).read(written, path, reading)
        parameters = {key: read[key] for key in own}
        return {"name": name, "scaling": read["scaling"], "parameters": parameters}

    def _name(self, written: dict[str, Any], at: TreePath, reading: Reading) -> Any:
        name = written.get("name", DEFAULT_DATA)
        if name is REFUSED:
            return REFUSED
        if not isinstance(name, str):
            return REFUSED  # the table reports it
        if self.vocabulary is not None and name not in self.vocabulary.datasets:
            names = list(self.vocabulary.datasets)
            message = f"{show(name)} is not a known data set; expected {one_of(names)}"
            reading.report(at, message, did_you_mean(name, names))
            return REFUSED
        return name

    def _own_keys(self, name: Any) -> dict[str, Key] | None:
        if self.vocabulary is None or not isinstance(name, str):
            return None
        keys = keys_of_function(self.vocabulary.datasets[name])
        return {key: item for key, item in keys.items() if key not in _DATA_KEYS}

    def json_schema(self) -> Schema:
        """Describe one mapping per data set."""
        if self.vocabulary is None:
            table = Table(_DATA_KEYS).json_schema()
            free = {
                **table,
                "additionalProperties": True,
                "not": {"anyOf": [{"required": [key]} for key in _OWN_KEYS]},
            }
            return {"anyOf": [{"type": "string"}, free, _own_schema()]}
        mappings = []
        for name in self.vocabulary.datasets:
            table = Table({**_DATA_KEYS, **(self._own_keys(name) or {})}).json_schema()
            table["properties"]["name"] = {"const": name}
            required = [] if name == DEFAULT_DATA else ["name"]
            mappings.append({**table, "required": [*table.get("required", []), *required]})
        return {"anyOf": [{"enum": list(self.vocabulary.datasets)}, *mappings, _own_schema()]}


def _read_own(written: dict[str, Any], path: TreePath, reading: Reading) -> dict[str, Any]:
    """Read a factory and its arguments; it gives the data as the network is to be fed."""
    others = [key for key in written if key not in _OWN_KEYS]
    if "factory" not in written:
        reading.report(
            (*path, "arguments"), "arguments are those of a factory", "add factory:", at_key=True
        )
    elif others:
        reading.report(
            (*path, others[0]),
            f"{sanitise(others[0])} does not go with factory, which gives the data as it is fed",
            "remove it, or pass what the factory needs under arguments",
            at_key=True,
        )
    own = {key: item for key, item in written.items() if key in _OWN_KEYS}
    read = Table(_OWN_KEYS).read(own, path, reading)
    parameters = {"factory": read["factory"], "arguments": read["arguments"] or {}}
    return {"name": OWN_DATA, "scaling": "none", "parameters": parameters}


def _own_schema() -> Schema:
    return {**Table(_OWN_KEYS).json_schema(), "required": ["factory"]}


_OWN_KEYS: Final[dict[str, Key]] = factory_keys("data of your own")


_DATA_KEYS: Final[dict[str, Key]] = {
    "name": Key(Plain(str), DEFAULT_DATA, "the data set"),
    "scaling": Key(
        Plain(Literal["standardize", "unit", "minmax", "none"]),
        "standardize",
        "how features are scaled; unit divides by 255",
    ),
}
