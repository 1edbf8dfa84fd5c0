"""`-s model.depth=50`: single values of a config replaced from the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from gradscope.config.document.document import INVALID, Document, Location
from gradscope.config.document.tree_path import TreePath, dotted_path
from gradscope.config.document.yaml_reader import read_yaml
from gradscope.config.sections.model import built_in_keys
from gradscope.config.sections.user_model import USER_MODEL_KEYS
from gradscope.message_text import sanitise, show_value

_PART = re.compile(r"\.?([^.\[\]]+)|\[([0-9]{1,6})\]")

_SHORT_FORMS: Final[dict[TreePath, tuple[str, str]]] = {
    ("model", "activation"): ("name", "relu"),
    ("model", "initializer"): ("name", "he_normal"),
    ("model", "bias_initializer"): ("name", "zeros"),
    ("model", "batch_norm"): ("placement", "none"),
    ("model", "output", "activation"): ("name", "linear"),
    ("model", "output", "initializer"): ("name", "glorot_uniform"),
    ("training", "optimizer"): ("name", "sgd"),
    ("data",): ("name", "fashion_mini"),
}
"""Where a word stands for a mapping: the key that the word is, and the word when none is written.

It lets `-s training.optimizer.momentum=0.9` work on a config that says `optimizer: sgd`.
"""

_USER_MODEL: Final[tuple[TreePath, ...]] = tuple(("model", name) for name in USER_MODEL_KEYS)
_BUILT_IN: Final[tuple[TreePath, ...]] = tuple(("model", name) for name in built_in_keys())

_DROPS: Final[dict[TreePath, tuple[TreePath, ...]]] = {
    ("model", "depth"): (("model", "hidden"), ("model", "layers"), *_USER_MODEL),
    ("model", "hidden"): (
        ("model", "depth"),
        ("model", "width"),
        ("model", "layers"),
        *_USER_MODEL,
    ),
    ("model", "layers"): (("model", "depth"), ("model", "hidden"), *_USER_MODEL),
    ("model", "factory"): (*_BUILT_IN, *_USER_MODEL),
    ("model", "keras_file"): (*_BUILT_IN, *_USER_MODEL),
    ("data", "factory"): (("data",),),
    ("training", "steps"): (("training", "epochs"),),
    ("training", "epochs"): (("training", "steps"),),
    ("training", "learning_rate"): (("training", "optimizer", "learning_rate"),),
    ("training", "optimizer", "learning_rate"): (("training", "learning_rate"),),
}


@dataclass(frozen=True)
class Override:
    """One `-s` flag, parsed."""

    flag: str
    path: TreePath
    value: Any
    document: Document


def apply_overrides(document: Document, settings: Sequence[str]) -> None:
    """Replace values of the document; what was replaced takes the flag as its place.

    An override wins over whatever in the file says the same in another way: `model.depth` drops
    the file's `hidden` and `layers`, `model.hidden` drops `depth`, `width` and `layers`,
    `model.layers` drops `depth` and `hidden` (width stays, as the default of `units`),
    `model.factory` and `keras_file` drop every other key of the model, as `depth`, `hidden` and
    `layers` drop them; `data.factory` drops the rest of the data section;
    `training.steps` and `epochs` drop each other, and so do the two places of the learning rate.
    Two overrides that contradict each other are an error, as they would be in a file.
    """
    overrides = [found for text in settings if (found := _parse(text, document)) is not None]
    for override in overrides:
        _drop_rivals(document, override.path)
    for override in overrides:
        _apply(document, override)


def _parse(text: str, document: Document) -> Override | None:
    flag = f"-s {sanitise(text)}"
    place = Location(flag)
    key, equals, value = text.partition("=")
    path = _parse_path(key.strip())
    if not equals or path is None:
        document.report_at(
            place, (), f"expected KEY=VALUE, received {show_value(text)}", "as in -s model.depth=50"
        )
        return None
    parsed = read_yaml(value.strip(), flag, flag=True)
    for problem in parsed.problems:
        document.report_at(place, path, problem.message, problem.remedy)
    return None if parsed.problems else Override(flag, path, parsed.tree, parsed)


def _parse_path(text: str) -> TreePath | None:
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or len(parts) >= 32:
            return None
        name, index = match.groups()
        parts.append(int(index) if name is None else name)
        position = match.end()
    return tuple(parts) if parts and isinstance(parts[0], str) else None


def _drop_rivals(document: Document, path: TreePath) -> None:
    for length in (2, 3):
        for rival in _DROPS.get(path[:length], ()) if len(path) >= length else ():
            _drop(document, rival)


def _drop(document: Document, path: TreePath) -> None:
    parent = document.tree
    for part in path[:-1]:
        parent = parent.get(part) if isinstance(parent, dict) else None
    if isinstance(parent, dict) and path[-1] in parent:
        del parent[path[-1]]
        document.forget(path)


def _apply(document: Document, override: Override) -> None:
    place = Location(override.flag)
    if document.tree is None:
        document.tree = {}
    node: Any = document.tree
    for depth, part in enumerate(override.path[:-1]):
        bare = override.path[:2] in _WITHOUT_A_WORD
        node = _step_into(document, node, override.path[: depth + 1], part, place, bare=bare)
        if node is None or node is INVALID:
            return
    last = override.path[-1]
    if not _can_hold(document, node, override.path, last, place):
        return
    document.forget(override.path)
    node[last] = deepcopy(override.value) if override.value is not INVALID else INVALID
    document.keys[override.path] = place
    document.values[override.path] = place
    for known in (*override.document.values, *override.document.keys):
        document.values[(*override.path, *known)] = place
        document.keys[(*override.path, *known)] = place


_WITHOUT_A_WORD: Final[tuple[TreePath, ...]] = (("data", "factory"), ("data", "arguments"))


def _step_into(
    document: Document, node: Any, path: TreePath, part: str | int, place: Location, *, bare: bool
) -> Any:
    """Go into what stands at `path`, made where it is missing; `bare`: without a default name."""
    if not _can_hold(document, node, path, part, place):
        return None
    missing = isinstance(node, dict) and part not in node
    if missing:
        node[part] = {}
        document.keys[path] = place
        document.values[path] = place
    short = _short_form(path)
    inherits = missing and path[:2] == ("model", "layers")
    inherits |= missing and bare
    if short is not None and not inherits and (missing or isinstance(node[part], str)):
        key, default = short
        node[part] = {key: default if missing else node[part]}
        where = place if missing else document.values[path]
        document.keys[(*path, key)] = where
        document.values[(*path, key)] = where
    return node[part]


def _short_form(path: TreePath) -> tuple[str, str] | None:
    if path[:2] == ("model", "layers") and len(path) == 4:
        return _SHORT_FORMS.get(("model", path[3]))
    return _SHORT_FORMS.get(path)


def _can_hold(
    document: Document, node: Any, path: TreePath, part: str | int, place: Location
) -> bool:
    if node is INVALID:
        return False
    if isinstance(part, str):
        if isinstance(node, dict):
            return True
        message = f"{_holder(path)} is {show_value(node)}, it has no key '{sanitise(part)}'"
        document.report_at(place, path, message, "give the whole value instead")
        return False
    if isinstance(node, list) and part < len(node):
        return True
    size = f"indices 0 to {len(node) - 1}" if isinstance(node, list) and node else "no items"
    document.report_at(place, path, f"{_holder(path)} has {size}", "give the whole list instead")
    return False


def _holder(path: TreePath) -> str:
    return dotted_path(path[:-1]) or "the config"
