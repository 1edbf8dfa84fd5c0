"""The first screen of a sweep: how many networks are healthy, where they are, which one to take."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from gradscope.message_text import counted
from gradscope.record.sweep_table import Look, SweepRow, SweepTable
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.run.page.screen import Answer, Cell, Screen, Strip, Tone
from gradscope.reporters.sweep.layout import (
    Ranked,
    axis_name,
    counts_text,
    groups,
    leading_figure,
    ranking,
    state_of,
)

_GOOD = frozenset(("healthy", "within"))
_BAD = frozenset(("unhealthy", "beyond", "failed"))


def sweep_screen(table: SweepTable) -> Screen:
    """State, three answers; the figures of a sweep are its pictures."""
    states = [state_of(row) for row in table.rows]
    good, bad = (sum(state in kind for state in states) for kind in (_GOOD, _BAD))
    looks = {
        Look.THEORY: "by theory alone",
        Look.AT_INIT: "as drawn, not trained",
        Look.TRAINED: "trained",
    }
    tone, word = _state(good, bad, len(states))
    return Screen(
        tone=tone,
        word=word,
        name=printable(table.name),
        facts=f"{counted(len(states), 'network')}, {looks[table.look]}",
        answers=(_what(table, good), _where(table), _best(table)),
        plots=(),
    )


def _state(good: int, bad: int, total: int) -> tuple[Tone, str]:
    if total and good == total:
        return Tone.HEALTHY, "All healthy"
    if total and bad == total:
        return Tone.UNHEALTHY, "None healthy"
    if good:
        return Tone.WARNING, "Some healthy"
    return Tone.INCONCLUSIVE, "Undecided"


def _what(table: SweepTable, good: int) -> Answer:
    heading = "Networks within the trainable depth" if table.look is Look.THEORY else "Healthy"
    return Answer("What", heading, counts_text(table), f"{good} of {len(table.rows)}")


def _where(table: SweepTable) -> Answer:
    """The values of the axis that decides most, each with its share of healthy networks."""
    several = [i for i, axis in enumerate(table.axes) if len(axis.labels) > 1]
    if not several:
        return Answer("Where", "In every combination" if table.rows else "Nothing was measured")
    position = max(several, key=lambda i: _spread(table, i))
    axis = table.axes[position]
    by_label = groups(table.rows, [position])
    cells = []
    for label in axis.labels:
        rows = by_label.get((label,), [])
        share = _share(rows)
        text = f"{axis_name(axis)} {label}: {_good(rows)} of {len(rows)} healthy"
        cells.append(Cell(printable(label), share, share == 0.0, printable(text)))
    whole = [cell.name for cell in cells if cell.share > 0]
    name = printable(axis_name(axis))
    heading = f"{name} {_listed(whole)}" if whole else f"No {name}"
    caption = "Full colour: all networks with this value are healthy"
    caption += ". Framed: none is" if any(cell.bad for cell in cells) else ""
    return Answer(
        "Where", heading, caption, strip=Strip(tuple(cells), (cells[0].name, cells[-1].name))
    )


def _spread(table: SweepTable, position: int) -> float:
    """How far the shares of healthy networks lie apart over the values of an axis."""
    shares = [_share(rows) for rows in groups(table.rows, [position]).values()]
    return max(shares) - min(shares) if shares else 0.0


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _good(rows: Sequence[SweepRow]) -> int:
    return sum(state_of(row) in _GOOD for row in rows)


def _share(rows: Sequence[SweepRow]) -> float:
    return _good(rows) / len(rows) if rows else math.nan


def _best(table: SweepTable) -> Answer:
    """The settings of the best combination that is healthy; of the best one where none is."""
    ranked, figure = ranking(table), leading_figure(table)
    known = [each for each in ranked if not math.isnan(each.figure)]
    healthy = [each for each in known if each.state in _GOOD]
    if figure is None or not known:
        return Answer("Take", "Nothing to choose from")
    best = (healthy or known)[0]
    values = best.rows[0].values
    words = " with ".join(
        f"{printable(axis_name(axis))} {printable(label)}"
        for axis, label in zip(table.axes, best.rows[0].labels, strict=True)
    )
    health = "healthy" if healthy else "though none is healthy"
    caption = f"{figure.title} {number(best.figure)}: the best of {len(ranked)}, {health}."
    pairs = [f"-s {shlex.quote(f'{key}={value}')}" for key, value in values.items()]
    settings = " \\\n".join(map(printable, pairs))
    report = _report(table, best)
    commands = tuple(text for text in (settings, printable(report)) if text)
    return Answer("Take", words or "The only combination", caption, commands=commands)


def _report(table: SweepTable, best: Ranked) -> str:
    """The command that shows the member's report, where its record is kept."""
    place = best.rows[0].text("record")
    if not place or table.folder is None or not (table.folder / place).exists():
        return ""
    return f"gradscope report {shlex.quote(str(table.folder / place))}"
