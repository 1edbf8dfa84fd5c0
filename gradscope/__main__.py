"""``python -m gradscope`` and the ``gradscope`` command: Ctrl-C ends it quietly from the start."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # typing is not imported: it takes as long as Python to start
if TYPE_CHECKING:
    from typing import Any, NoReturn

_INTERRUPTED = 130


def _end(number: int, frame: Any) -> NoReturn:
    del number, frame
    os._exit(_INTERRUPTED)


def main() -> NoReturn:
    """Run the command line; nothing is imported before Ctrl-C has a quiet end."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    from gradscope.cli.main import main as run_command

    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command()


if __name__ == "__main__":
    main()
