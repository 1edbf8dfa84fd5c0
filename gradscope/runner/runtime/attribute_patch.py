"""Standing in for an attribute of a Keras object for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def shadowed(instance: Any, name: str, replacement: Any) -> Iterator[None]:
    """Set an instance attribute past Keras's own bookkeeping, and put back what was there."""
    own = vars(instance)
    had, before = name in own, own.get(name)
    object.__setattr__(instance, name, replacement)
    try:
        yield
    finally:
        if had:
            object.__setattr__(instance, name, before)
        else:
            object.__delattr__(instance, name)
