"""The differences between two configs, the likely source of a regression."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gradscope.config.document.tree_path import TreePath, dotted_path
from gradscope.config.experiment import LATER_TRAINING_KEYS
from gradscope.config.origins import leaf_values
from gradscope.message_text import first_names

_IGNORED_SECTIONS = ("name", "expect", "device")
_UNKNOWN = object()
_PATH_KEYS = ("folder", "path", "keras_file")


def changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """One line per key that differs, as ``training.optimizer.parameters.momentum: 0.9 -> 0``.

    What changed in every hidden layer alike is one line. Names and folders do not count.
    """
    return (*_depth(before, after), *_layers(before, after), *_others(before, after))


def _hidden(config: dict[str, Any]) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = config["model"]["hidden_layers"]
    return layers


def _depth(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    old, new = len(_hidden(before)), len(_hidden(after))
    if old != new:
        yield f"hidden layers: {old} -> {new}"


def _layers(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Changes within the hidden layers that both have."""
    pairs = list(zip(_hidden(before), _hidden(after), strict=False))
    numbers_by_change: dict[tuple[str, str, str], list[int]] = {}
    for number, (old, new) in enumerate(pairs, start=1):
        for key in new:
            if old.get(key) != new[key]:
                change = (key, _value(old.get(key)), _value(new[key]))
                numbers_by_change.setdefault(change, []).append(number)
    for (key, old_value, new_value), numbers in numbers_by_change.items():
        where = (
            "every hidden layer"
            if len(numbers) == len(pairs)
            else first_names([f"hidden_{number}" for number in numbers])
        )
        yield f"{key} of {where}: {old_value} -> {new_value}"


def _others(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    old, new = _flat(before), _flat(after)
    for path in [*old, *(path for path in new if path not in old)]:
        if old.get(path, "not set") != new.get(path, "not set"):
            yield f"{dotted_path(path)}: {_value_at(old, path)} -> {_value_at(new, path)}"


def _value_at(flat: dict[TreePath, Any], path: TreePath) -> str:
    return _value(flat[path]) if path in flat else "not set"


def _flat(config: dict[str, Any]) -> dict[TreePath, Any]:
    return {
        path: value
        for path, value in leaf_values(config)
        if path[0] not in _IGNORED_SECTIONS
        and value != {}
        and path[:2] != ("model", "hidden_layers")
        and path[-1] not in _PATH_KEYS
        and not (
            path[0] == "training" and value == LATER_TRAINING_KEYS.get(str(path[-1]), _UNKNOWN)
        )
    }


def _value(value: Any) -> str:
    """Write a value as in a config: a name with the parameters that are not None."""
    if isinstance(value, dict) and set(value) == {"name", "parameters"}:
        parameters = {k: v for k, v in value["parameters"].items() if v is not None}
        inside = ", ".join(f"{key} {_value(item)}" for key, item in parameters.items())
        return f"{value['name']} ({inside})" if inside else str(value["name"])
    return value if isinstance(value, str) else json.dumps(value)
