"""What every form of a comparison shows: headed sections of lines and tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradscope.gate.check import Check
from gradscope.gate.runs_compared import FIGURES, Against, RunsCompared, Side, state
from gradscope.gate.sweeps_compared import CombinationCompared, SweepAgainst, SweepsCompared
from gradscope.message_text import counted
from gradscope.record.sweep_table import COLUMNS
from gradscope.reporters.layout.numbers import number, ratio

MOST_LISTED = 20

_HEADINGS = {
    "signal_start": "z drawn",
    "delta_start": "delta drawn",
    "signal_end": "z trained",
    "delta_end": "delta trained",
}


@dataclass(frozen=True)
class Table:
    """Headings, rows of text, and whether each column is of numbers.

    `priorities` say how soon a narrow terminal drops a column; 0 stays.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[bool, ...]
    priorities: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    """A heading with lines below it, a table after these, and a note."""

    heading: str
    lines: tuple[str, ...] = ()
    table: Table | None = None
    note: str = ""


def sections(compared: RunsCompared | SweepsCompared) -> Iterator[Section]:
    """The sections of a comparison, in order."""
    if isinstance(compared, RunsCompared):
        yield from _run_sections(compared)
    else:
        yield from _sweep_sections(compared)


def heading(compared: RunsCompared | SweepsCompared) -> str:
    """``before against after``."""
    if isinstance(compared, RunsCompared):
        names = [side.name for side in compared.sides]
    else:
        names = list(compared.names)
    return f"{names[0]} against {', '.join(names[1:])}"


def _run_sections(compared: RunsCompared) -> Iterator[Section]:
    yield Section("Verdicts", tuple(map(_side_line, compared.sides)))
    for against in compared.against:
        label = f": {compared.sides[0].name} -> {against.name}"
        yield Section(f"Config{label}", against.changes or ("no difference",))
        yield Section(f"Findings{label}", _findings(against))
        yield Section(f"Beyond chance{label}", _check_lines(against))
    yield Section(
        "Layers, from input to output",
        table=layer_table(compared),
        note="rms; ratios are over the first run. "
        + "; ".join(f"{_HEADINGS[k]}: {v}" for k, v in FIGURES.items() if _has(compared, k)),
    )


def _side_line(side: Side) -> str:
    evaluation = side.record.evaluation.get("test_accuracy")
    accuracy = "" if evaluation is None else f", accuracy {number(evaluation)} on the test set"
    seeds = f", {counted(len(side.records), 'seed')}" if len(side.records) > 1 else ""
    steps = counted(side.record.outcome.steps_done, "step")
    return f"{side.name}: {state(side)} ({steps}{seeds}{accuracy}). {side.diagnosis.headline}"


def _findings(against: Against) -> tuple[str, ...]:
    lines = [f"came: {code} {name.replace('_', ' ')}" for code, name in against.came]
    lines += [f"went: {code} {name.replace('_', ' ')}" for code, name in against.went]
    return tuple(lines) or ("the same findings",)


def _check_lines(against: Against) -> tuple[str, ...]:
    if against.no_checks:
        return (f"not compared: {against.no_checks}",)
    return tuple(_check_line(check) for check in against.checks)


def _check_line(check: Check) -> str:
    differences = "; ".join(
        f"{d.layer or 'network'} {d.label} {d.effect}" for d in check.differences[:3]
    )
    more = f" and {len(check.differences) - 3} more" if len(check.differences) > 3 else ""
    shown = f" ({differences}{more})" if differences else ""
    evidence = f" [{check.evidence}]" if check.evidence else ""
    text = f"{check.name}: {check.status}: {check.sentence}{shown}{evidence}"
    return text.replace("its baseline", "the first run").replace("the baseline", "the first run")


def _has(compared: RunsCompared, figure: str) -> bool:
    return any(
        not math.isnan(value) for layer in compared.layers for value in layer.figures[figure]
    )


def layer_table(compared: RunsCompared) -> Table:
    """A row per layer: the first run's figure, and the ratio of every other one to it."""
    figures = [figure for figure in FIGURES if _has(compared, figure)]
    others = [side.name for side in compared.sides[1:]]
    headings, numbers, priorities = ["layer"], [False], [0]
    for place, figure in enumerate(figures):
        headings += [
            _HEADINGS[figure],
            *(f"{name}/" if len(others) > 1 else "ratio" for name in others),
        ]
        numbers += [True] * (1 + len(others))
        priorities += [place + 1 if place else 0] * (1 + len(others))
    rows = []
    for layer in compared.layers:
        cells = [layer.name]
        for figure in figures:
            first, *rest = layer.figures[figure]
            cells += [number(first), *(ratio(_ratio(value, first)) for value in rest)]
        rows.append(tuple(cells))
    return Table(tuple(headings), tuple(rows), tuple(numbers), tuple(priorities))


def _ratio(value: float, first: float) -> float:
    return value / first if first > 0 else math.nan


def _sweep_sections(compared: SweepsCompared) -> Iterator[Section]:
    for against in compared.against:
        label = f": {compared.names[0]} -> {against.name}"
        yield Section(f"Config{label}", against.changes or ("no difference",))
        yield Section(f"Combinations{label}", tuple(_sweep_lines(against)))
        yield _changed_section(compared, against)


def _sweep_lines(against: SweepAgainst) -> Iterator[str]:
    total = len(against.combinations)
    changed = sum(one.changed for one in against.combinations)
    beyond = sum(bool(one.beyond_chance) for one in against.combinations)
    tested = sum(not one.not_tested for one in against.combinations)
    yield f"{counted(total, 'combination')} in both; {changed} with another verdict"
    if tested:
        yield f"{beyond} of {tested} tested differ beyond chance"
    untested = [one.not_tested for one in against.combinations if one.not_tested]
    if untested:
        yield f"{len(untested)} not tested: {untested[0]}"
    if against.only_first or against.only_other:
        yield f"{against.only_first} only in the first, {against.only_other} only in {against.name}"


def _changed_section(compared: SweepsCompared, against: SweepAgainst) -> Section:
    """The combinations that differ, the largest change of the figure first."""
    differing = [c for c in against.combinations if c.changed or c.beyond_chance]
    differing.sort(key=_size, reverse=True)
    shown = differing[:MOST_LISTED]
    keys = tuple(key for key, _ in (against.combinations[0].values if against.combinations else ()))
    names = tuple(key.rpartition(".")[2] for key in keys)
    rows = tuple(
        (
            *(str(value) for _, value in one.values),
            number(one.figures[0]),
            ratio(_ratio(one.figures[1], one.figures[0])),
            one.verdicts[0],
            one.verdicts[1],
            "yes" if one.beyond_chance else ("-" if one.not_tested else "no"),
        )
        for one in shown
    )
    headings = (*names, against.figure, "ratio", compared.names[0], against.name, "beyond chance")
    count = len(names)
    table = Table(
        headings,
        rows,
        (*[False] * count, True, True, False, False, False),
        (*[0] * count, 0, 0, 1, 0, 2),
    )
    rest = f"; {len(differing) - len(shown)} more" if len(differing) > len(shown) else ""
    meaning = COLUMNS.get(against.figure, "")
    if not differing:
        return Section("What differs", ("nothing",))
    return Section("What differs", table=table, note=f"{against.figure}: {meaning}{rest}")


def _size(one: CombinationCompared) -> float:
    old, new = one.figures
    return abs(math.log(new / old)) if old > 0 and new > 0 else 0.0


def cells_of(table: Table, column: int) -> Sequence[str]:
    """The cells of one column."""
    return [row[column] for row in table.rows]
