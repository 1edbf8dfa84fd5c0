"""Two or more sweeps: which combinations of axis values changed their state or their figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradscope.gate.check import Status
from gradscope.gate.runs_compared import Side, compare_runs
from gradscope.record.sweep_table import Cell, SweepRow, SweepTable

FIGURES = ("test_accuracy", "loss", "init_delta_per_layer", "theory_delta_per_layer")
"""The figure that is compared: the first that both sweeps have."""

SideOf = Callable[[str, SweepTable, Sequence[SweepRow]], Side | None]
"""Reads the records of one combination."""


@dataclass(frozen=True)
class CombinationCompared:
    """One combination in two sweeps: its verdicts, the mean figure of each, and the gate's word.

    `beyond_chance` names the checks that failed, with their sentences; `not_tested` says why
    nothing was tested.
    """

    values: tuple[tuple[str, Cell], ...]
    verdicts: tuple[str, str]
    figures: tuple[float, float]
    beyond_chance: tuple[str, ...] = ()
    not_tested: str = ""

    @property
    def changed(self) -> bool:
        """Whether the verdict is another one."""
        return self.verdicts[0] != self.verdicts[1]


@dataclass(frozen=True)
class SweepAgainst:
    """Another sweep against the first: combinations that both have, and those of one alone."""

    name: str
    figure: str
    changes: tuple[str, ...]
    combinations: tuple[CombinationCompared, ...]
    only_first: int
    only_other: int


@dataclass(frozen=True)
class SweepsCompared:
    """Two or more sweeps, each against the first."""

    names: tuple[str, ...]
    tables: tuple[SweepTable, ...]
    against: tuple[SweepAgainst, ...]


def compare_sweeps(
    tables: Sequence[SweepTable], names: Sequence[str], side_of: SideOf
) -> SweepsCompared:
    """Compare every sweep with the first one; `side_of` reads the records of a combination."""
    against = [
        _against(tables[0], names[0], table, name, side_of)
        for table, name in zip(tables[1:], names[1:], strict=True)
    ]
    return SweepsCompared(tuple(names), tuple(tables), tuple(against))


Values = tuple[tuple[str, Cell], ...]


def _combinations(table: SweepTable, keys: Sequence[str]) -> dict[Values, list[SweepRow]]:
    rows: dict[Values, list[SweepRow]] = {}
    for row in table.rows:
        values = tuple((key, row.values.get(key)) for key in keys)
        rows.setdefault(values, []).append(row)
    return rows


def _against(
    first: SweepTable, first_name: str, other: SweepTable, name: str, side_of: SideOf
) -> SweepAgainst:
    keys = [key for key in first.keys if key in other.keys and key != "seed"]
    before, after = _combinations(first, keys), _combinations(other, keys)
    shared = [values for values in before if values in after]
    figure = next((f for f in FIGURES if _has(first, f) and _has(other, f)), FIGURES[0])
    changes: tuple[str, ...] = ()
    combinations = []
    for position, values in enumerate(shared):
        old, new = before[values], after[values]
        sides = side_of(first_name, first, old), side_of(name, other, new)
        tested: tuple[tuple[str, ...], str] = ((), "the records are not there")
        if sides[0] is not None and sides[1] is not None:
            compared = compare_runs([sides[0], sides[1]]).against[0]
            failed = [c for c in compared.checks if c.status is Status.FAILED]
            passed = [c for c in compared.checks if c.status is Status.PASSED]
            reason = compared.no_checks or ("" if failed or passed else "nothing could be tested")
            tested = (tuple(f"{c.name}: {c.sentence}" for c in failed), reason)
            if position == 0:
                changes = compared.changes
        combinations.append(
            CombinationCompared(
                values,
                (_verdict(old), _verdict(new)),
                (_mean(old, figure), _mean(new, figure)),
                *tested,
            )
        )
    return SweepAgainst(
        name,
        figure,
        changes,
        tuple(combinations),
        only_first=len(before) - len(shared),
        only_other=len(after) - len(shared),
    )


def _has(table: SweepTable, figure: str) -> bool:
    return any(not math.isnan(row.number(figure)) for row in table.rows)


_WORST_FIRST = ("failed", "unhealthy", "inconclusive", "warning", "healthy", "predicted", "pending")


def _verdict(rows: Sequence[SweepRow]) -> str:
    """The worst verdict of the seeds with the leading code, or the status where there is none."""

    def word(row: SweepRow) -> str:
        return row.text("verdict") or row.text("status")

    worst = min(
        rows, key=lambda row: _WORST_FIRST.index(word(row)) if word(row) in _WORST_FIRST else 2
    )
    return f"{word(worst)} {worst.text('code')}".strip()


def _mean(rows: Sequence[SweepRow], figure: str) -> float:
    values = [value for row in rows if not math.isnan(value := row.number(figure))]
    if not values:
        return math.nan
    if figure.endswith("_per_layer"):
        return math.exp(sum(map(math.log, values)) / len(values)) if min(values) > 0 else math.nan
    return sum(values) / len(values)
