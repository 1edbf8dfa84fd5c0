"""The differences of a check as rows of words, alike in every form that a person reads."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.gate.check import Check, CheckKind, Difference
from gradscope.reporters.layout.numbers import number, plural

MOST_ROWS = 8
"""Rows of a table of differences: the first layer that differs is the one to look at."""


def headings(check: Check) -> tuple[str, ...]:
    """What the columns hold; theory's check compares with the prediction, not with a baseline."""
    reference = "theory" if check.kind is CheckKind.THEORY else "baseline"
    return ("figure", "layer", reference, "now", "change", "over the seeds")


def rows(check: Check) -> list[tuple[str, ...]]:
    """The first differences, as they were given: of strings that others chose."""
    return [
        (
            one.label,
            one.layer or "all",
            number(one.before),
            number(one.after),
            one.effect,
            one.interval if one.interval != one.effect else "the same",
        )
        for one in check.differences[:MOST_ROWS]
    ]


def left_out(differences: Sequence[Difference]) -> str:
    """What no row tells: ``and 3 more layers``; empty when all are shown."""
    rest = differences[MOST_ROWS:]
    layers = {one.layer for one in rest} - {one.layer for one in differences[:MOST_ROWS]}
    if layers:
        return f"and {plural(len(layers), 'more layer')}"
    return f"and {plural(len(rest), 'more figure')} of these layers" if rest else ""
