"""Where every value of a resolved experiment came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradscope.config.document.document import Document
from gradscope.config.document.tree_path import TreePath, dotted_path
from gradscope.config.experiment import ExperimentConfig

DEFAULT = "default"


def value_origins(config: ExperimentConfig, document: Document) -> dict[str, str]:
    """Give for every leaf of `config.to_dict()` where it was written, or `default`."""
    mappings = {path[:-1] for path in document.key_locations}
    return {
        dotted_path(path): _origin(path, document, mappings)
        for path, _ in leaf_values(config.to_dict())
    }


def leaf_values(tree: Any, path: TreePath = ()) -> Iterator[tuple[TreePath, Any]]:
    """Give every value of a tree that is no filled mapping or list, with its path."""
    if isinstance(tree, dict) and tree:
        for key, item in tree.items():
            yield from leaf_values(item, (*path, key))
    elif isinstance(tree, list) and tree:
        for index, item in enumerate(tree):
            yield from leaf_values(item, (*path, index))
    else:
        yield path, tree


def _origin(path: TreePath, document: Document, mappings: set[TreePath]) -> str:
    for base, rest in _candidates(path):
        if base not in document.value_locations:
            continue
        path_in_file = _path_in_file(base, rest, document, mappings)
        return DEFAULT if path_in_file is None else str(document.value_locations[path_in_file])
    return DEFAULT


def _path_in_file(
    base: TreePath, rest: TreePath, document: Document, mappings: set[TreePath]
) -> TreePath | None:
    """Find the leaf inside the value at `base`; a name alone stands for the mapping's `name`."""
    exact = (*base, *rest)
    if exact in document.value_locations:
        return exact
    return base if base not in mappings and rest in ((), ("name",), ("placement",)) else None


def _candidates(path: TreePath) -> Iterator[tuple[TreePath, TreePath]]:
    """Give the paths, in order of precedence, that can have set a resolved leaf.

    Each is split in two: the path in the file, and the rest inside the value there.
    """
    if path[:2] == ("model", "hidden_layers") and len(path) > 3:
        yield from _layer_candidates(path)
    elif path[:2] == ("model", "batch_norm"):
        yield path[:2], path[2:]
    elif path[:2] == ("model", "output"):
        yield path[:3], _without_parameters(path[3:])
    elif path[:2] == ("model", "source"):
        yield ("model", *path[2:]), ()
    elif path[0] == "data":
        yield path[:1], _without_parameters(path[1:])
    elif path[:2] == ("training", "optimizer"):
        if path[-1] == "learning_rate":
            yield ("training", "learning_rate"), ()
        yield path[:2], _without_parameters(path[2:])
    elif path[:2] == ("detectors", "thresholds"):
        yield ("detectors", *path[2:]), ()
    else:
        yield path, ()


def _layer_candidates(path: TreePath) -> Iterator[tuple[TreePath, TreePath]]:
    index, key, rest = path[2], path[3], _without_parameters(path[4:])
    yield ("model", "layers", index, key), rest
    if key == "units":
        yield ("model", "hidden", index), ()
        yield ("model", "width"), ()
    elif key == "batch_norm":
        yield ("model", "batch_norm"), ("placement",)
    else:
        yield ("model", key), rest


def _without_parameters(path: TreePath) -> TreePath:
    return path[1:] if path[:1] == ("parameters",) else path
