"""The differences of a check as rows of text, the same in every form that a person reads."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.gate.check import Check, CheckKind, Difference
from gradscope.message_text import counted
from gradscope.reporters.layout.numbers import number

MOST_ROWS = 8
"""Rows of a table of differences: the first layer that differs is the difference to look at."""


def headings(check: Check) -> tuple[str, ...]:
    """What the columns hold; theory's check compares with the prediction, not with a baseline."""
    reference = "theory" if check.kind is CheckKind.THEORY else "baseline"
    return ("figure", "layer", reference, "now", "change", "over the seeds")


def rows(check: Check) -> list[tuple[str, ...]]:
    """The first differences, with strings that users chose: each form makes them safe."""
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


def left_out(differences: Sequence[Difference]) -> str:
    """What the rows leave out: ``and 3 more layers``; empty when all are shown."""
    rest = differences[MOST_ROWS:]
    shown = {difference.layer for difference in differences[:MOST_ROWS]}
    layers = {difference.layer for difference in rest} - shown
    if layers:
        return f"and {counted(len(layers), 'more layer')}"
    return f"and {counted(len(rest), 'more figure')} of these layers" if rest else ""
