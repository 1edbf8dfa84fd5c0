"""Importing TensorFlow without the packages that Keras imports along where they are installed.

Keras offers wrappers for scikit-learn, plots by matplotlib and inputs by pandas; importing it
imports these packages, which gradscope's own network never uses. A model or data of the user's may
use them, so for those nothing is hidden.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

EXTRAS = frozenset({"sklearn", "matplotlib", "pandas", "scipy", "PIL"})
"""What Keras imports if it can, and does without if it cannot."""


class _Hidden:
    """A finder that answers for the extras: they are not installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse an extra; leave every other module to the finders behind."""
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"{name} is hidden while TensorFlow is imported", name=name)
        return None


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Do something that makes many objects and no garbage without looking for any meanwhile."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextlib.contextmanager
def without_extras() -> Iterator[None]:
    """Import inside the block as if the extras were not installed, and without collecting garbage.

    Modules that are loaded already stay. Afterwards everything can be imported again.
    """
    finder = _Hidden()
    sys.meta_path.insert(0, finder)
    try:
        with without_collecting():
            yield
    finally:
        sys.meta_path.remove(finder)
