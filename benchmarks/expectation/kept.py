"""Rows of the benchmark as they are kept in JSON."""

from __future__ import annotations

from typing import Any, TypeVar

Kept = TypeVar("Kept")


def restored(kind: type[Kept], content: dict[str, Any]) -> Kept:
    """The row of a dataclass that `asdict` and JSON made `content` of: its lists are tuples."""
    lists = {key: tuple(value) for key, value in content.items() if isinstance(value, list)}
    return kind(**content | lists)
