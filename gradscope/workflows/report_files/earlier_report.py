"""The report that is already in the folder of a run: it is kept until the new one is there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from gradscope.errors import BadRequest
from gradscope.message_text import sanitise
from gradscope.record import storage
from gradscope.reporters.run import folder


def refuse_other_config(target: Path, config_hash: str) -> None:
    """Refuse a folder that holds the report of another config, or one that cannot be read."""
    if folder.holds_report(target) and _config_hash(target) != config_hash:
        raise BadRequest(
            f"{sanitise(str(target), 300)} holds the report of another config",
            "choose another folder with --output, or replace it with --replace",
        )


def _config_hash(target: Path) -> str | None:
    """The hash of the config that was measured; None where nothing says it."""
    with contextlib.suppress(BadRequest):
        if (target / folder.RECORD).exists():
            return storage.load(target / folder.RECORD).environment.config_hash
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        content = (target / folder.RESULT).read_text(encoding="utf-8")
        return str(json.loads(content)["environment"]["config_hash"])
    return None


@contextlib.contextmanager
def restored_on_failure(earlier: Path | None, target: Path) -> Iterator[None]:
    """Move the report in `earlier` back into `target` where no new record gets there."""
    try:
        yield
    except BaseException:
        if earlier is not None and not (target / folder.RECORD).exists():
            folder.move_back(earlier, target)
        raise
