"""Docstrings under ``python -OO``, which removes them: `explain` and every ``--help`` show them."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType

_WITHOUT_ASSERTS = 1
"""The level of ``python -O``, which keeps docstrings."""


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles a module with its docstrings; the cache of ``-OO`` has none, so it is not read."""

    def get_code(self, fullname: str) -> CodeType:
        """The code of a module, from its source."""
        path = self.get_filename(fullname)
        code = compile(
            self.get_data(path), path, "exec", dont_inherit=True, optimize=_WITHOUT_ASSERTS
        )
        assert isinstance(code, CodeType)
        return code


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of this package only."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Where Python finds the module, with a loader that keeps its docstrings."""
        if not fullname.startswith(f"{__package__}."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def keep() -> None:
    """Keep the docstrings of every module of this package that is imported from now on."""
    sys.meta_path.insert(0, _Finder())
