"""How a new file becomes a new detector, data set or reporter, with nothing else edited."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Generic, TypeVar

Item = TypeVar("Item")


def _modules(package: ModuleType) -> Iterator[str]:
    """Dotted names of the modules of a package and of its sub-packages, at any depth."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if module.name.rpartition(".")[2].startswith("_"):
            continue
        yield module.name
        if module.ispkg:
            yield from _modules(importlib.import_module(module.name))


class Registry(Mapping[str, Item], Generic[Item]):
    """The items of one room, found by importing every module below its package on first use.

    A module of the package adds its item with ``@REGISTRY.register("name")``. Modules whose name
    starts with an underscore are not walked. Reading a name that is not there raises `KeyError`;
    adding a name twice raises `ValueError`.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._items: dict[str, Item] = {}
        self._walked = False

    def register(self, name: str) -> Callable[[Item], Item]:
        """Add the decorated object under `name`."""

        def add(item: Item) -> Item:
            if name in self._items:
                raise ValueError(f"{name!r} is registered twice in {self._package}")
            self._items[name] = item
            return item

        return add

    def _walk(self) -> None:
        if self._walked:
            return
        self._walked = True
        package = importlib.import_module(self._package)
        for name in sorted(_modules(package)):
            importlib.import_module(name)

    def __getitem__(self, name: str) -> Item:
        self._walk()
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        self._walk()
        return iter(sorted(self._items))

    def __len__(self) -> int:
        self._walk()
        return len(self._items)
