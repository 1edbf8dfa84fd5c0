"""Models and functions of the user: how a config names them."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.value_readers.mapping_reader import Key, read_open_keys
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext, Schema
from gradscope.message_text import sanitise, show_value

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_DOTTED: Final = rf"{_NAME}(\.{_NAME})*"
FACTORY_PATTERN: Final = rf"^{_DOTTED}:{_DOTTED}$"
_FACTORY: Final = re.compile(rf"{_DOTTED}:{_DOTTED}\Z", re.ASCII)


@dataclass(frozen=True)
class FactoryReader:
    """A function by its module and its name in it: `package.module:function`."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Check the spelling; `gradscope.config.user_code` looks whether it exists."""
        if value is INVALID or _is_factory(value):
            return value
        context.report(
            path,
            f"expected package.module:function, received {show_value(value)}",
            _respelled(value),
        )
        return INVALID

    def json_schema(self) -> Schema:
        """Describe the pattern."""
        return {"type": "string", "pattern": FACTORY_PATTERN}


def _is_factory(value: object) -> bool:
    if not isinstance(value, str) or len(value) > 500 or not _FACTORY.match(value):
        return False
    return not any(keyword.iskeyword(part) for part in re.split("[.:]", value))


def _respelled(value: object) -> str:
    """Give the corrected spelling: a module for a file's path, a colon for the last dot."""
    if not isinstance(value, str):
        return ""
    dotted = re.sub(r"\.py(?=:|\Z)", "", value.strip().removeprefix("./")).replace("/", ".")
    if ":" not in dotted and "." in dotted:
        dotted = ":".join(dotted.rsplit(".", 1))
    return f"did you mean '{sanitise(dotted)}'?" if _is_factory(dotted) else ""


@dataclass(frozen=True)
class ArgumentsReader:
    """Keyword arguments: names of Python on the left, any plain values on the right."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> dict[str, Any]:
        """Check the names, and that every value can be passed on."""
        if not isinstance(value, dict):
            if value is not INVALID:
                context.report(
                    path,
                    f"expected a mapping of keyword arguments, received {show_value(value)}",
                    "{} is the empty mapping",
                )
            return {}
        for name in value:
            if not name.isidentifier() or keyword.iskeyword(name):
                context.report(
                    (*path, name),
                    f"{show_value(name)} cannot name an argument in Python",
                    at_key=True,
                )
        return read_open_keys(value, path, context)

    def json_schema(self) -> Schema:
        """Describe the mapping."""
        return {"type": "object"}


def factory_keys(what: str) -> dict[str, Key]:
    """Give the two keys that name a function of the user."""
    return {
        "factory": Key(FactoryReader(), None, f"package.module:function that gives {what}"),
        "arguments": Key(ArgumentsReader(), None, "keyword arguments of the factory"),
    }


USER_MODEL_KEYS: Final[Mapping[str, Key]] = {
    **factory_keys("a Keras model of your own"),
    "keras_file": Key(TypedValueReader(Path), None, "a saved Keras model: path.keras"),
}


def has_user_model(tree: object) -> bool:
    """Tell whether a config, as written, names a model of the user."""
    model = tree.get("model") if isinstance(tree, dict) else None
    return isinstance(model, dict) and ("factory" in model or "keras_file" in model)


def check_user_model(
    model: dict[str, Any], built_in: Mapping[str, object], context: ReadContext
) -> None:
    """Report a model that is named twice, or keys that do not belong to the way it is named."""
    written = [name for name in model if name in ("factory", "keras_file")]
    if len(written) > 1:
        message, remedy = "factory and keras_file both give the whole model", "keep one of them"
        context.report(("model", written[-1]), message, remedy, at_key=True)
        return
    if "arguments" in model and written != ["factory"]:
        message, remedy = "arguments are those of a factory", "add factory: or remove"
        context.report(("model", "arguments"), message, remedy, at_key=True)
    foreign = [name for name in model if name in built_in]
    if written and foreign:
        verb, pronoun = ("belongs", "it") if len(foreign) == 1 else ("belong", "them")
        listed = ", ".join(foreign)
        message = f"{listed} {verb} to the built-in network, and {written[0]} gives a whole model"
        remedy = f"remove {pronoun}"
        if written == ["factory"]:
            remedy += ", or pass what the factory needs under arguments"
        context.report(("model", foreign[0]), message, remedy, at_key=True)
