"""The sentences that every form of a check shares."""

from __future__ import annotations

from gradscope.gate.check import Check, Checked
from gradscope.reporters.causes import consequence_text
from gradscope.reporters.remedies import Reader, reader_of, remedies_text


def reader(config: Checked, *, pytest: bool = False) -> Reader:
    """Who reads about this config: its model and its file decide how remedies are written."""
    return reader_of(config.record, config.source, pytest=pytest)


def config_remedy(config: Checked, *, pytest: bool = False) -> str:
    """What to do about the config as a whole; "" when there is nothing to do."""
    return remedies_text(config.remedies, reader(config, pytest=pytest)) or config.remedy


def check_remedy(check: Check, config: Checked, *, pytest: bool = False) -> str:
    """What to do about one check of the config; "" when there is nothing to do."""
    return remedies_text(check.remedies, reader(config, pytest=pytest))


def answer(check: Check) -> str:
    """The sentence of a check, and which finding it follows from."""
    return f"{check.sentence} {consequence_text(check.caused_by)}".strip()
