"""What the reports in a folder say of their runs, read from their ``result.json``."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from gradscope.reporters.run.folder import CHECK, COMMAND, RECORD, RESULT

_SERIES = '  "statistics": {'
"""The line of a result after which nothing is read: the series are nearly all of the file."""


@dataclass(frozen=True)
class SavedRun:
    """One report of a folder.

    `outcome` is that of the check whose own seed this is the run of, "" for a run by itself.
    `accuracy` is that of the test set, or of the last batches where there is none; None for a
    regression. `code` is that of the leading verdict, "" without one. `overrides` are the settings
    of the command line, None where it is not known. `damage` says why a result cannot be read; then
    the other fields are empty.
    """

    folder: Path
    written: datetime
    name: str = ""
    status: str = ""
    verdict: str = ""
    outcome: str = ""
    steps: int = 0
    code: str = ""
    accuracy: float | None = None
    overrides: tuple[str, ...] | None = None
    damage: str = ""


def saved_runs(reports: Path) -> list[SavedRun]:
    """The reports in the folders of `reports`, the newest first; none where there is no folder."""
    folders = [path for path in reports.iterdir() if path.is_dir()] if reports.is_dir() else []
    runs = [run for folder in folders if (run := _saved_run(folder)) is not None]
    return sorted(runs, key=lambda run: (run.written, run.folder.name), reverse=True)


def _saved_run(folder: Path) -> SavedRun | None:
    """The report in `folder`; None where it holds neither a record nor a result."""
    written = None
    for name in (RESULT, RECORD):  # the record's time counts: `report --write` renews the result
        with contextlib.suppress(OSError):
            written = datetime.fromtimestamp((folder / name).stat().st_mtime, UTC)
    if written is None:
        return None
    try:
        return _summary(folder, written, _result_without_series(folder / RESULT))
    except FileNotFoundError:
        return SavedRun(folder, written, damage=f"no {RESULT}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return SavedRun(folder, written, damage=f"{RESULT} cannot be read")


def _result_without_series(path: Path) -> Mapping[str, Any]:
    lines = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith(_SERIES):
                lines.append("}")
                break
            lines.append(line)
    text = "".join(lines)
    if lines[-1:] == ["}"] and text.endswith(",\n}"):
        text = text.removesuffix(",\n}") + "}"
    result: Mapping[str, Any] = json.loads(text)
    return result


def _summary(folder: Path, written: datetime, result: Mapping[str, Any]) -> SavedRun:
    training, command = result["training"], typed_command(folder)
    outcome, settings = _check(folder)
    return SavedRun(
        folder,
        written,
        name=str(result["name"]),
        status=str(result["status"]),
        verdict=str(result["verdict"]),
        outcome=outcome,
        steps=int(training["steps_done"]),
        code=next((str(v["code"]) for v in result["verdicts"] if v["severity"]), ""),
        accuracy=_accuracy(training),
        overrides=command[1] if command else settings,
    )


def _check(folder: Path) -> tuple[str, tuple[str, ...] | None]:
    """The outcome and the settings of the check that is kept in `folder`; "" and None without."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        checked = json.loads((folder / CHECK).read_bytes())
        return str(checked["outcome"]), tuple(map(str, checked["configs"][0]["overrides"]))
    return "", None


def _accuracy(training: Mapping[str, Any]) -> float | None:
    tested = training["evaluation"].get("test_accuracy")
    measured = [value for value in (tested, *training["accuracy"][-1:]) if value is not None]
    return float(measured[0]) if measured else None


def typed_command(folder: Path) -> tuple[str, tuple[str, ...]] | None:
    """The config file and the settings of the command that made a report; None where unknown."""
    try:
        return read_command((folder / COMMAND).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_command(command: str) -> tuple[str, tuple[str, ...]] | None:
    """The config file and the settings of a command line; None where it has none.

    Raises `ValueError` for a quotation that is not closed.
    """
    arguments = shlex.split(command)
    sources = [text for text in arguments[2:] if text.endswith((".yaml", ".yml"))]
    return (sources[0], tuple(_settings(arguments))) if sources else None


def _settings(arguments: Sequence[str]) -> Iterator[str]:
    """The values of ``-s`` and ``--set``, in the forms that a command line takes."""
    for option, value in pairwise([*arguments, ""]):
        if option in ("-s", "--set"):
            yield value
        elif option.startswith("--set="):
            yield option.removeprefix("--set=")
        elif option.startswith("-s") and "=" in option:
            yield option.removeprefix("-s")
