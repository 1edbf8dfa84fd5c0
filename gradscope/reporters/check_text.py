"""The text that the forms of a check share: sentences, remedies, counts, rows of differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gradscope.gate.check import Check, Checked, CheckKind, Difference
from gradscope.message_text import counted
from gradscope.reporters.causes import consequence_text
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.remedies import Reader, reader_of, remedies_text

OUTCOMES = ("passed", "failed", "inconclusive", "not measured")

MOST_ROWS = 8
"""Rows of a table of differences: the first layer that differs is the difference to look at."""


def reader(config: Checked, *, pytest: bool = False) -> Reader:
    """Give the reader of this config's remedies: its model and its file decide the wording."""
    return reader_of(config.record, config.source, pytest=pytest)


def config_remedy(config: Checked, *, pytest: bool = False) -> str:
    """Say what to do about the whole config; "" when there is nothing to do."""
    return remedies_text(config.remedies, reader(config, pytest=pytest)) or config.remedy


def check_remedy(check: Check, config: Checked, *, pytest: bool = False) -> str:
    """Say what to do about one check of the config; "" when there is nothing to do."""
    return remedies_text(check.remedies, reader(config, pytest=pytest))


def answer(check: Check) -> str:
    """Give the sentence of a check, and the finding that it follows from."""
    return f"{check.sentence} {consequence_text(check.caused_by)}".strip()


def outcome_counts(checked: Sequence[Checked]) -> str:
    """Count the outcomes: ``3 passed, 1 failed of 4 configs``."""
    counts = Counter(config.outcome for config in checked)
    parts = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
    return f"{parts} of {counted(len(checked), 'config')}"


def difference_headings(check: Check) -> tuple[str, ...]:
    """Head the columns; a check against theory compares with the prediction, not a baseline."""
    reference = "theory" if check.kind is CheckKind.THEORY else "baseline"
    return ("figure", "layer", reference, "now", "change", "over the seeds")


def difference_rows(check: Check) -> list[tuple[str, ...]]:
    """Give the first differences as text; a form has to escape the names that users chose."""
    return [
        (
            difference.label,
            difference.layer or "all",
            number(difference.before),
            number(difference.after),
            difference.effect,
            difference.interval if difference.interval != difference.effect else "the same",
        )
        for difference in check.differences[:MOST_ROWS]
    ]


def differences_left_out(differences: Sequence[Difference]) -> str:
    """Say what the rows leave out: ``and 3 more layers``; empty when all are shown."""
    rest = differences[MOST_ROWS:]
    shown = {difference.layer for difference in differences[:MOST_ROWS]}
    layers = {difference.layer for difference in rest} - shown
    if layers:
        return f"and {counted(len(layers), 'more layer')}"
    return f"and {counted(len(rest), 'more figure')} of these layers" if rest else ""
