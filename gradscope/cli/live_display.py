"""A display on stderr: live on a terminal, plain lines elsewhere, nothing where it is quiet."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from gradscope.cli import streams

PLAIN_SECONDS = 5.0
"""Seconds between two plain lines."""


class LiveDisplay:
    """What the displays of progress share; `_live` is rich's display on a terminal, or None."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._shown_at = 0.0
        self._live: Any = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False, markup=False)
            self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def _update(self, text: str, below: Any = "") -> None:
        """Show `text`, and `below` it more, in place of what was shown last; or a plain line."""
        if self._live:
            from rich.text import Text

            shown = Text(text, no_wrap=True, overflow="ellipsis")
            self._live.update(shown.append("\n").append(below) if below else shown, refresh=True)
        else:
            streams.say(text)

    def _print(self, text: str) -> None:
        """Write a line that stays."""
        if self._live:
            self._live.console.print(text)
        else:
            streams.say(text)
