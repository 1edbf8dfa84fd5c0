"""A bad input: files to write, a command, and words that its message must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class BadInput:
    """Files by name, the arguments of the command, words of the message, and what kind it is."""

    what: str
    command: tuple[str, ...]
    says: tuple[str, ...] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    kind: str = ""
