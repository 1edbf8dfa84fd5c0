"""The results of the wide corpus, as its file holds them and the page shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.detectors.case import HEALTHY, SICK, WIDE_PARTS, Case
from benchmarks.detectors.judging import share
from benchmarks.detectors.wide import judged, kept, remedying
from gradscope.analyzer.detectors import DETECTORS

Row = dict[str, Any]


def rows(cases: Sequence[Case], folder: Path) -> list[Row]:
    """A row for each case that has an answer; its label may be unchecked yet."""
    return [
        judged.row(case, folder) | {"remedy": remedying.outcome(case, folder)}
        if case.label == SICK
        else judged.row(case, folder)
        for case in cases
        if kept.measured(case, folder)
    ]


def results(cases: Sequence[Case], rows: Sequence[Row]) -> Row:
    """Everything that the page shows."""
    by_part = {part: [row for row in rows if row["part"] == part] for part in WIDE_PARTS}
    return {
        "declared": {
            part: {
                label: sum(case.part == part and case.label == label for case in cases)
                for label in (HEALTHY, SICK)
            }
            for part in WIDE_PARTS
        },
        "rates": {part: judged.rates(some) for part, some in by_part.items()},
        "detectors": judged.by_detector(rows, DETECTORS),
        "remedies": {part: remedies(some) for part, some in by_part.items()},
        "cases": list(rows),
    }


def remedies(rows: Sequence[Row]) -> Row:
    """How often the first remedy works, of those that were tried; and by action."""
    unhealthy = [row for row in rows if row["label"] == SICK and row["errors"]]
    answered = [row for row in unhealthy if row["remedy"]]
    given = [row for row in answered if row["remedy"]["action"] != "none"]
    actions = sorted({row["remedy"]["action"] for row in given})
    return {
        "given": share(answered, lambda row: row["remedy"]["action"] != "none"),
        "work": share(given, works),
        "by action": {
            action: share([row for row in given if row["remedy"]["action"] == action], works)
            for action in actions
        },
        "nothing to apply": dict(
            Counter(row["remedy"]["action"] for row in given if not row["remedy"]["applied"])
        ),
    }


def works(row: Row) -> bool:
    """Whether the remedy of a case works."""
    return bool(row["remedy"]["works"])
