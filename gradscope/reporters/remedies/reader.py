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
    line. Without `has_config_file` a mapping or a model was given in Python: `source` is its name.
    In `pytest` the fixture writes the baselines, not the command.
    """

    form: Form = Form.CONFIG
    source: str = "CONFIG"
    pytest: bool = False
    overrides: tuple[str, ...] = ()
    has_config_file: bool = True


def reader_of(
    record: RunRecord | None,
    source: str = "CONFIG",
    *,
    overrides: tuple[str, ...] = (),
    pytest: bool = False,
    has_config_file: bool = True,
) -> Reader:
    """The reader of a report: one with a Keras model changes code, everyone else the config."""
    user_model = record is not None and record.config["model"].get("source") is not None
    form = Form.KERAS if user_model else Form.CONFIG
    return Reader(form, source, pytest, overrides, has_config_file)
