"""How a config names what is the user's own: a function of theirs, its arguments, a saved model."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.value_readers.mapping_reader import Key, read_open_keys
from gradscope.config.value_readers.single_value import AnnotatedValue
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
        """Check the spelling; whether it exists is found out when it is called."""
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
    """Give what was probably meant: a file's path for the module, a dot for the colon."""
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
    """Give the two keys by which a function of the user's own is named."""
    return {
        "factory": Key(FactoryReader(), None, f"package.module:function that gives {what}"),
        "arguments": Key(ArgumentsReader(), None, "keyword arguments of the factory"),
    }


USER_MODEL_KEYS: Final[Mapping[str, Key]] = {
    **factory_keys("a Keras model of your own"),
    "keras_file": Key(AnnotatedValue(Path), None, "a saved Keras model: path.keras"),
}


def has_user_model(tree: object) -> bool:
    """Tell whether a config, as written, brings its own model."""
    model = tree.get("model") if isinstance(tree, dict) else None
    return isinstance(model, dict) and ("factory" in model or "keras_file" in model)


def check_user_model(
    model: dict[str, Any], built_in: Mapping[str, object], context: ReadContext
) -> None:
    """Report a model that is named in two ways, or with keys that belong to another way."""
    own = [name for name in ("factory", "keras_file") if name in model]
    if len(own) > 1:
        _report(context, _later(model, own), "factory and keras_file both give the whole model")
        return
    if "arguments" in model and own != ["factory"]:
        _report(context, "arguments", "arguments are those of a factory", "add factory: or remove")
    if not own:
        return
    foreign = [name for name in model if name in built_in]
    if foreign:
        listed = ", ".join(foreign)
        verb = "belongs" if len(foreign) == 1 else "belong"
        _report(
            context,
            foreign[0],
            f"{listed} {verb} to the built-in network, and {own[0]} gives a whole model",
            f"remove {'it' if len(foreign) == 1 else 'them'}"
            + (", or pass what the factory needs under arguments" if own == ["factory"] else ""),
        )


def _later(model: dict[str, Any], names: Sequence[str]) -> str:
    return [name for name in model if name in names][-1]


def _report(context: ReadContext, key: str, message: str, remedy: str = "keep one of them") -> None:
    context.report(("model", key), message, remedy, at_key=True)
