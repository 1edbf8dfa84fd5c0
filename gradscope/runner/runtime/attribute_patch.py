"""Replace an attribute of a Keras object for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def patched_attribute(instance: Any, name: str, replacement: Any) -> Iterator[None]:
    """Set an instance attribute without Keras's tracking, and restore the old state at the end."""
    attributes = vars(instance)
    present, before = name in attributes, attributes.get(name)
    object.__setattr__(instance, name, replacement)
    try:
        yield
    finally:
        if present:
            object.__setattr__(instance, name, before)
        else:
            object.__delattr__(instance, name)
