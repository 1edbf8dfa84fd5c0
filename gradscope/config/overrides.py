"""`-s model.depth=50`: single values of a config replaced from the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
"""Where a name may stand for a mapping: the key of the name, and the name when none is written.

It lets `-s training.optimizer.momentum=0.9` work on a config with `optimizer: sgd`.
"""

_USER_MODEL: Final[tuple[TreePath, ...]] = tuple(("model", name) for name in USER_MODEL_KEYS)
_BUILT_IN: Final[tuple[TreePath, ...]] = tuple(("model", name) for name in built_in_keys())

_REPLACED_KEYS: Final[dict[TreePath, tuple[TreePath, ...]]] = {
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
    """A value that replaces one of the config: of a `-s` flag, or of an axis of a sweep.

    `inner` are the paths within the value that are keys or values of their own.
    """

    location: Location
    path: TreePath
    value: Any
    inner: tuple[TreePath, ...] = ()


def apply_overrides(document: Document, settings: Sequence[str]) -> None:
    """Replace values of the document; the location of a replaced value is its flag.

    An override wins over every key of the file that sets the same in another way: `model.depth`
    drops the file's `hidden` and `layers`, `model.hidden` drops `depth`, `width` and `layers`,
    `model.layers` drops `depth` and `hidden` (width stays, as the default of `units`),
    `model.factory` and `keras_file` drop every other key of the model, and `depth`, `hidden` and
    `layers` drop these two; `data.factory` drops the rest of the data section; `training.steps`
    and `epochs` drop each other, and so do the two keys of the learning rate. Two overrides that
    contradict each other are an error, as they are in a file.
    """
    parsed = (_parse(text, document) for text in settings)
    apply_parsed(document, [override for override in parsed if override is not None])


def apply_parsed(document: Document, overrides: Sequence[Override]) -> None:
    """Replace values of the document by those of `overrides`; see `apply_overrides`."""
    for override in overrides:
        _drop_replaced(document, override.path)
    for override in overrides:
        _apply(document, override)


def _parse(text: str, document: Document) -> Override | None:
    flag = f"-s {sanitise(text)}"
    location = Location(flag)
    key, equals, value = text.partition("=")
    path = parse_path(key.strip())
    if not equals or path is None:
        message = f"expected KEY=VALUE, received {show_value(text)}"
        document.report_at(location, (), message, "as in -s model.depth=50")
        return None
    parsed = read_yaml(value.strip(), flag, flag=True)
    for problem in parsed.problems:
        document.report_at(location, path, problem.message, problem.remedy)
    if parsed.problems:
        return None
    inner = tuple(dict.fromkeys((*parsed.value_locations, *parsed.key_locations)))
    return Override(location, path, parsed.tree, inner)


def parse_path(text: str) -> TreePath | None:
    """The path that a text like `model.layers[2].units` names; None where it names none."""
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


def _drop_replaced(document: Document, path: TreePath) -> None:
    for length in range(2, min(len(path), 3) + 1):
        for replaced in _REPLACED_KEYS.get(path[:length], ()):
            _drop(document, replaced)


def _drop(document: Document, path: TreePath) -> None:
    parent = document.tree
    for part in path[:-1]:
        parent = parent.get(part) if isinstance(parent, dict) else None
    if isinstance(parent, dict) and path[-1] in parent:
        del parent[path[-1]]
        document.drop_locations(path)


def _apply(document: Document, override: Override) -> None:
    location = override.location
    if document.tree is None:
        document.tree = {}
    node: Any = document.tree
    created: tuple[dict[str, Any], str] | None = None
    for length, part in enumerate(override.path, start=1):
        path = override.path[:length]
        if not _can_hold(document, node, path, location):
            if created is not None:
                parent, key = created
                parent[key] = INVALID  # it exists for this override only, which is reported
            return
        if length == len(override.path):
            node[part] = override.value
            _set_locations(document, override)
            return
        if created is None and isinstance(node, dict) and part not in node:
            created = (node, str(part))
        node = _step_into(document, node, path, override)


def _set_locations(document: Document, override: Override) -> None:
    document.drop_locations(override.path)
    for path in {(), *override.inner}:
        document.key_locations[(*override.path, *path)] = override.location
        document.value_locations[(*override.path, *path)] = override.location


_WITHOUT_DEFAULT_NAME: Final[tuple[TreePath, ...]] = (("data", "factory"), ("data", "arguments"))


def _step_into(document: Document, node: Any, path: TreePath, override: Override) -> Any:
    """Give the value at `path`, made where it is missing; a name becomes its mapping."""
    part, location = path[-1], override.location
    missing = isinstance(node, dict) and part not in node
    if missing:
        node[part] = {}
        document.key_locations[path] = location
        document.value_locations[path] = location
    short = _short_form(path)
    # What a layer does not set comes from the model, so no default name is filled in there.
    in_layer = path[:2] == ("model", "layers")
    nameless = missing and (in_layer or override.path[:2] in _WITHOUT_DEFAULT_NAME)
    if short is not None and not nameless and (missing or isinstance(node[part], str)):
        key, default = short
        node[part] = {key: default if missing else node[part]}
        written = location if missing else document.value_locations[path]
        document.key_locations[(*path, key)] = written
        document.value_locations[(*path, key)] = written
    return node[part]


def _short_form(path: TreePath) -> tuple[str, str] | None:
    if path[:2] == ("model", "layers") and len(path) == 4:
        return _SHORT_FORMS.get(("model", path[3]))
    return _SHORT_FORMS.get(path)


def _can_hold(document: Document, node: Any, path: TreePath, location: Location) -> bool:
    part = path[-1]
    if node is INVALID:
        return False
    if isinstance(part, str):
        if isinstance(node, dict):
            return True
        message = f"{_holder(path)} is {show_value(node)}, it has no key '{sanitise(part)}'"
        document.report_at(location, path, message, "give the whole value instead")
        return False
    if isinstance(node, list) and part < len(node):
        return True
    size = f"indices 0 to {len(node) - 1}" if isinstance(node, list) and node else "no items"
    document.report_at(location, path, f"{_holder(path)} has {size}", "give the whole list instead")
    return False


def _holder(path: TreePath) -> str:
    return dotted_path(path[:-1]) or "the config"
