"""Read the `config.json` of a `.keras` file strictly, and refuse unknown classes in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from gradscope.config.document.tree_path import TreePath, dotted_path
from gradscope.message_text import sanitise
from gradscope.runner.sources.archive import RESAVE, TRUST_REMEDY, refused
from gradscope.runner.sources.known_classes import (
    CLASSES,
    FUNCTION_MODULES,
    FUNCTIONS,
    MARKERS,
    REASONS,
)

MAXIMUM_DEPTH: Final = 64
_NUMERIC: Final = re.compile(r"(bool|u?int(8|16|32|64)|b?float(16|32|64)|string)\Z")


class _DuplicateError(ValueError):
    """An object of the JSON says a key twice."""


def read(name: str, member: str, raw: bytes) -> dict[str, Any]:
    """Parse strictly: UTF-8, no key twice in one object, at most `MAXIMUM_DEPTH` levels."""
    try:
        tree = json.loads(raw.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except _DuplicateError as error:
        raise refused(name, f"{member} says the key {error} twice in one object", RESAVE) from None
    except RecursionError:
        raise _too_deep(name, member) from None
    except (ValueError, UnicodeError) as error:
        reason = sanitise(str(error))
        raise refused(name, f"{member} is not JSON ({reason})", RESAVE) from None
    if not isinstance(tree, dict):
        raise refused(name, f"{member} is not a JSON object", RESAVE)
    if any(len(path) >= MAXIMUM_DEPTH for path, _ in nodes(tree)):
        raise _too_deep(name, member)
    return tree


def _too_deep(name: str, member: str) -> Exception:
    return refused(name, f"{member} is nested more than {MAXIMUM_DEPTH} levels deep", TRUST_REMEDY)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        names = [key for key, _ in pairs]
        raise _DuplicateError(repr(sanitise(next(key for key in names if names.count(key) > 1))))
    return mapping


def nodes(tree: Any) -> Iterator[tuple[TreePath, Any]]:
    """Yield every mapping and list of a tree with its path, without recursion."""
    pending: list[tuple[TreePath, Any]] = [((), tree)]
    while pending:
        path, node = pending.pop()
        if len(path) > MAXIMUM_DEPTH:
            continue
        if isinstance(node, (dict, list)):
            yield path, node
            items = node.items() if isinstance(node, dict) else enumerate(node)
            # Only containers: a path for each of a million numbers would fill the memory.
            pending += [
                ((*path, key), item) for key, item in items if isinstance(item, (dict, list))
            ]


def check_classes(name: str, tree: dict[str, Any]) -> None:
    """Refuse classes, functions and stored values that are not known to only compute.

    The whole tree is walked, so nothing hides in a nested model, a wrapper, a `compile_config`,
    an initializer or an argument of a call.
    """
    if tree.get("class_name") is None:
        raise refused(name, "config.json names no class for the model", RESAVE)
    for path, node in nodes(tree):
        if isinstance(node, dict) and "class_name" in node:
            problem = _problem(node)
            if problem:
                location = dotted_path(path) or "the model itself"
                raise refused(name, f"config.json, {location}: {problem}", TRUST_REMEDY)


def _problem(node: dict[str, Any]) -> str | None:
    class_name, module = node["class_name"], node.get("module")
    if not isinstance(class_name, str) or not isinstance(module, (str, type(None))):
        return "a class is named by something that is not text"
    if class_name in MARKERS and module is None:
        return _problem_of_value(class_name, node.get("config"))
    if class_name == "function":
        return _problem_of_function(node)
    if class_name not in CLASSES.get(module or "", ()):
        return _unknown(class_name, module)
    if node.get("registered_name") not in (None, class_name):
        return f"{_show(class_name)} is registered under another name"
    return None


def _problem_of_function(node: dict[str, Any]) -> str | None:
    function, module = node.get("config"), node.get("module")
    if not isinstance(function, str) or function not in FUNCTIONS:
        return f"the function {_show(function)} is none of Keras's activations, losses and metrics"
    registered = node.get("registered_name") in (None, "function", function)
    if module not in FUNCTION_MODULES or not registered:
        return f"the function {_show(function)} is not Keras's own: it is from {_show(module)}"
    return None


def _problem_of_value(class_name: str, value: Any) -> str | None:
    """Check the type of a stored array: a text type of a gigabyte per value is a type, too."""
    if class_name not in ("__tensor__", "__numpy__", "__keras_tensor__"):
        return None
    dtype = value.get("dtype") if isinstance(value, dict) else None
    if dtype is not None and not (isinstance(dtype, str) and _NUMERIC.match(dtype)):
        return f"a stored array has the type {_show(dtype)}, which is no number"
    return None


def _unknown(class_name: str, module: str | None) -> str:
    if class_name in REASONS:
        return f"{class_name} {REASONS[class_name]}"
    whole = f"{module}.{class_name}" if module else class_name
    return f"{_show(whole)} is not a Keras class that gradscope knows"


def _show(value: object) -> str:
    return f"'{sanitise(value)}'" if isinstance(value, str) else f"a {type(value).__name__}"
