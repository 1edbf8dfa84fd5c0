"""Parts of a run's plots: positions, ticks, the row of figures to show, and the title."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.record import Finding
from gradscope.record.run_record import Floats
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.page.moments import starts

_MOST_TICKS = 12
_NUMBERED = re.compile(r"(.*?)(\d+)")


def layer_ticks(names: Sequence[str]) -> tuple[tuple[int, str], ...]:
    """Names at both ends, and between them the number that names end in, where all have one."""
    count = len(names)
    shown = [printable(name) for name in names]
    matches = [_NUMBERED.fullmatch(name) for name in shown]
    stem = matches[0][1] if matches and matches[0] else None
    stride = max(1, -(-count // _MOST_TICKS))
    ticks = [(0, shown[0])] if shown else []
    for i in range(stride, count - max(1, 3 * stride // 4), stride):
        match = matches[i]
        if stem is not None and match is not None and match[1] == stem:
            ticks.append((i, match[2]))
    return (*ticks, (count - 1, shown[-1])) if count > 1 else tuple(ticks)


def over_layers(names: Sequence[str]) -> tuple[float, ...]:
    """The positions of layers: the middle of equal parts."""
    return tuple((i + 0.5) / len(names) for i in range(len(names)))


def floats(values: Floats) -> tuple[float, ...]:
    """The values of a curve."""
    return tuple(float(value) for value in values)


def typical_row(report: Report, finding: Finding | None, values: Floats) -> Floats:
    """The typical figures of the last quarter; at step 0 where the start is what was judged."""
    record = report.record
    early = starts(report)
    early |= finding is not None and finding.until_step < int(record.steps[-1])
    row = values[0] if early else window.typical(values, record.steps)
    whole = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not np.isfinite(row).all() and whole.size:
        row = values[whole[-1]]
    chosen: Floats = row
    return chosen


def failing(finding: Finding | None, names: Sequence[str]) -> frozenset[int]:
    """The indices of the layers that a finding names."""
    if finding is None:
        return frozenset()
    return frozenset(i for i, name in enumerate(names) if name in finding.layers)


def plot_title(report: Report, finding: Finding | None, default: str) -> str:
    """The reason of the finding, where one is known and the plot is about it."""
    return (lead.why(report) if finding is not None else "") or default


def fraction(value: float) -> str:
    """A limit as people say it: 1/100, 1000."""
    return f"1/{number(1 / value)}" if 0 < value < 1 else number(value)
