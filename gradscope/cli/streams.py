"""Write to standard streams that may be closed, full, or without a reader."""

from __future__ import annotations

import os
import sys

import click


def reopen_closed() -> None:
    """Reopen closed standard streams on /dev/null, so that no file opened later gets their number.

    Writing to a closed stdout still fails, as it should; text for a closed stderr is lost.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def say(text: str) -> None:
    """Write a line to stderr; a closed pipe is ignored."""
    encoding = sys.stderr.encoding or "utf-8"
    try:
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=True)
    except OSError:
        redirect_to_nothing(sys.stderr.fileno())


def flush() -> None:
    """Write out what stdout holds back; raises `OSError` where it takes no more.

    A reader that has closed the pipe has read enough.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        redirect_to_nothing(sys.stdout.fileno())


def redirect_to_nothing(number: int) -> None:
    """Point a stream at /dev/null, so that flushing its buffer cannot fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, number)
    os.close(nothing)
