"""Import TensorFlow without the optional packages that Keras imports where they are installed.

Keras offers wrappers for scikit-learn, plots by matplotlib and inputs by pandas; importing it
imports these packages, which the built-in network never uses. A model or data of the user may
use them, so nothing is hidden then.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

OPTIONAL_PACKAGES = frozenset({"sklearn", "matplotlib", "pandas", "scipy", "PIL"})
"""Packages that Keras imports if they are installed, and does not need."""


class _HidingFinder:
    """An import finder that reports the optional packages as not installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise for an optional package; leave every other module to the next finders."""
        if name.partition(".")[0] in OPTIONAL_PACKAGES:
            raise ModuleNotFoundError(f"{name} is hidden while TensorFlow is imported", name=name)
        return None


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Switch the garbage collector off in a block that makes many objects and no garbage."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextlib.contextmanager
def without_optional_packages() -> Iterator[None]:
    """Hide the optional packages from imports in the block, and collect no garbage in it.

    Modules that are loaded already stay loaded. Afterwards everything can be imported again.
    """
    finder = _HidingFinder()
    sys.meta_path.insert(0, finder)
    try:
        with without_garbage_collection():
            yield
    finally:
        sys.meta_path.remove(finder)
