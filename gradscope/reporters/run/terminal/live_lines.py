"""A network while it trains: a row per layer with bars on log scales, and what was found so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.text import Text

from gradscope.message_text import counted
from gradscope.record import Diagnosis, Severity, VerdictStatus
from gradscope.reporters.layout.character_plots import LogScale, bar
from gradscope.reporters.layout.lines import STYLES, shortened, symbol
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.run import summary
from gradscope.reporters.run.answer.headings import heading_of

_NAME, _FIGURE, _SHORTEST_BAR, _LONGEST_BAR, _MARK = 16, 8, 4, 24, 8
_LEAST_WIDTH = _NAME + 2 * (_FIGURE + _SHORTEST_BAR + 3) + _MARK
_MOST_FINDINGS = 5


@dataclass(frozen=True)
class LiveRow:
    """A layer at the newest step: rms of z, and rms of delta over that of the last hidden layer."""

    name: str
    signal: float
    gradient: float


@dataclass(frozen=True)
class Arisen:
    """A finding that stands, and the step at which it was first seen."""

    code: str
    severity: Severity
    text: str
    layers: frozenset[str]
    step: int


def arisen(diagnosis: Diagnosis, step: int, before: Mapping[str, Arisen]) -> dict[str, Arisen]:
    """The errors and warnings that stand at `step` and follow from no other, by code."""
    standing: dict[str, Arisen] = {}
    for verdict in diagnosis.verdicts:
        findings = [
            finding
            for finding in (verdict.findings if verdict.status is VerdictStatus.FINDING else ())
            if finding.severity is not Severity.INFO and not finding.caused_by
        ]
        if not findings:
            continue
        worst = min(findings, key=lambda finding: finding.severity.rank)
        words, figure = heading_of(verdict.name, worst)
        code = printable(verdict.code)
        since = before[code].step if code in before else step
        heading = ", ".join(filter(None, [words, figure]))
        standing[code] = Arisen(
            code,
            worst.severity,
            f"{heading}: {summary.layers(worst.layers)}",
            frozenset(name for finding in findings for name in finding.layers),
            since,
        )
    return standing


def finding_line(finding: Arisen, unicode: bool) -> str:
    """A finding in one line."""
    lead = f"{symbol(finding.severity, unicode)} {finding.code} since step {finding.step}"
    return f"{lead}: {finding.text}"


def wider(one: LogScale, other: LogScale) -> LogScale:
    """The axis that holds both: bars then move, not the axis under them."""
    return LogScale(min(one.low, other.low), max(one.high, other.high))


@dataclass(frozen=True)
class LiveScales:
    """The axes of the bars; None before the first step."""

    signal: LogScale | None = None
    gradient: LogScale | None = None

    def holding(self, rows: Sequence[LiveRow]) -> LiveScales:
        """Axes that hold these rows too."""
        signal = LogScale.covering([row.signal for row in rows])
        gradient = LogScale.covering([row.gradient for row in rows])
        return LiveScales(
            wider(self.signal, signal) if self.signal else signal,
            wider(self.gradient, gradient) if self.gradient else gradient,
        )


def live_text(
    rows: Sequence[LiveRow],
    arisen: Sequence[Arisen],
    scales: LiveScales,
    *,
    width: int,
    height: int,
    unicode: bool,
) -> Text:
    """At most `height` lines of `width` columns; of many layers some, evenly over the depth.

    The last lines are the findings, the gravest first. A narrow terminal gets figures without bars.
    """
    gravest = sorted(arisen, key=lambda one: one.severity.rank)[:_MOST_FINDINGS]
    room = max(1, height - 1 - len(gravest) - 1)
    shown = _evenly(rows, room)
    column = _bar_columns(width)
    lines = [_heading(scales, column, len(shown), len(rows))]
    lines += [_row(row, arisen, scales, column, unicode) for row in shown]
    lines += [Text(finding_line(one, unicode), STYLES[str(one.severity)]) for one in gravest]
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


def _evenly(rows: Sequence[LiveRow], room: int) -> list[LiveRow]:
    if len(rows) <= room:
        return list(rows)
    return [rows[int(at)] for at in np.round(np.linspace(0, len(rows) - 1, room))]


def _bar_columns(width: int) -> int:
    """Columns of each bar; 0 where there is no room for bars."""
    left = width - _LEAST_WIDTH + 2 * _SHORTEST_BAR
    return min(_LONGEST_BAR, left // 2) if width >= _LEAST_WIDTH else 0


def _heading(scales: LiveScales, column: int, shown: int, total: int) -> Text:
    many = counted(total, "layer") if shown == total else f"{shown} of {counted(total, 'layer')}"
    heads = [
        f"gradient {scales.gradient or ''}".ljust(column + _FIGURE + 2),
        f"signal {scales.signal or ''}".ljust(column + _FIGURE + 2),
    ]
    return Text(f"{many:<{_NAME}} {' '.join(heads)}".rstrip(), STYLES["dim"])


def _row(
    row: LiveRow, arisen: Sequence[Arisen], scales: LiveScales, column: int, unicode: bool
) -> Text:
    marks = sorted((f for f in arisen if row.name in f.layers), key=lambda f: f.severity.rank)
    line = Text(f"{shortened(printable(row.name), _NAME, unicode):<{_NAME}}")
    for value, scale in ((row.gradient, scales.gradient), (row.signal, scales.signal)):
        share = scale.fraction(value) if scale is not None else 0.0
        if column:
            line.append(f" {bar(share, column, unicode):<{column}}", "cyan")
        line.append(f" {_figure(value):>{_FIGURE}} ")
    if marks:
        first = marks[0]
        line.append(f" {symbol(first.severity, unicode)} {first.code}", STYLES[str(first.severity)])
    return line


def _figure(value: float) -> str:
    return "non-finite" if not math.isfinite(value) else number(float(f"{value:.2e}"))
