"""Registries: a new file adds a detector, a data set or a reporter; no other file changes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Registry(Mapping[str, Item], Generic[Item]):
    """The items of one package by name, found by importing all its modules on first use.

    A module of the package or of its sub-packages, at any depth, adds its item with
    ``@REGISTRY.register("name")``. Modules and sub-packages whose name starts with an underscore
    are not imported. Reading a name that is not there raises `KeyError`.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._items: dict[str, Item] = {}
        self._name_by_key: dict[str, str] = {}
        self._imported = False

    def register(self, name: str, key: str | None = None) -> Callable[[Item], Item]:
        """Add the decorated object under `name`; `key` is a second name, such as a code.

        Raises `ValueError` for a name or a key that another item has.
        """

        def add(item: Item) -> Item:
            if name in self._items:
                raise ValueError(f"{name!r} is registered twice in {self._package}")
            if key is not None:
                holder = self._name_by_key.setdefault(key, name)
                if holder != name:
                    raise ValueError(
                        f"{holder!r} and {name!r} are both registered as {key} in {self._package}"
                    )
            self._items[name] = item
            return item

        return add

    def __getitem__(self, name: str) -> Item:
        self._import_modules()
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        self._import_modules()
        return iter(sorted(self._items))

    def __len__(self) -> int:
        self._import_modules()
        return len(self._items)

    def _import_modules(self) -> None:
        if self._imported:
            return
        self._imported = True
        package = importlib.import_module(self._package)
        for name in _module_names(package):
            importlib.import_module(name)


def _module_names(package: ModuleType) -> Iterator[str]:
    """Give the dotted names of the modules of a package and of its sub-packages, at any depth."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if module.name.rpartition(".")[2].startswith("_"):
            continue
        yield module.name
        if module.ispkg:
            yield from _module_names(importlib.import_module(module.name))
