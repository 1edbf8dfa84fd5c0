"""Who reads a remedy, and in which form."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradscope.record import RunRecord


class Form(StrEnum):
    """How settings are written."""

    COMMAND_LINE = "command_line"
    CONFIG = "config"
    KERAS = "keras"


@dataclass(frozen=True)
class Reader:
    """Who reads a remedy.

    `source` is the config file and `overrides` are the settings as they were given on the command
    line. In `pytest` the fixture writes the baselines, not the command.
    """

    form: Form = Form.CONFIG
    source: str = "CONFIG"
    pytest: bool = False
    overrides: tuple[str, ...] = ()


def reader_of(
    record: RunRecord | None,
    source: str = "CONFIG",
    *,
    overrides: tuple[str, ...] = (),
    pytest: bool = False,
) -> Reader:
    """The reader of a report: one with a Keras model changes code, everyone else the config."""
    user_model = record is not None and record.config["model"].get("source") is not None
    return Reader(Form.KERAS if user_model else Form.CONFIG, source, pytest, overrides)
