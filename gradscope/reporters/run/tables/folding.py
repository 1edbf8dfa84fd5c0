"""Shorten the table of a deep network: layers equal to their neighbours become a count."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from gradscope.message_text import counted
from gradscope.record import Role
from gradscope.reporters.layout.numbers import span
from gradscope.reporters.run.tables.layer_figures import FIGURES
from gradscope.reporters.run.tables.layer_table import LayerRow

FOLD_ABOVE = 30
MOST_NORMS = 4
_SHORTEST_FOLD = 4
_EDGE = 2
_LONGEST_PERIOD, _FEWEST_PERIODS = 24, 4
_DECADES_PER_LANDMARK = 2.0
_MOST_LANDMARKS = 8


@dataclass(frozen=True)
class Fold:
    """Consecutive rows shown as one line; `rows` includes their batch norms.

    `blocks` is the number of equal blocks of several layers, 0 where single layers repeat.
    """

    rows: tuple[LayerRow, ...]
    blocks: int = 0

    @property
    def weighted(self) -> tuple[LayerRow, ...]:
        """The hidden and output layers among them."""
        return tuple(row for row in self.rows if row.weighted)

    @property
    def text(self) -> str:
        """The number of layers and the range of their figures."""
        rows = self.weighted
        if not rows:
            return (
                f"... {counted(len(self.rows), 'batch norm')}, batch vs moving: mean gap "
                f"{span([row.mean_gap for row in self.rows])}, "
                f"var x{span([row.variance_ratio for row in self.rows])}"
            )
        between = len(self.rows) - len(rows)
        number_of_layers = counted(len(rows) // max(self.blocks, 1), "layer")
        if self.blocks:
            number_of_layers = f"{counted(self.blocks, 'block')} of {number_of_layers}"
        text = (
            f"... {number_of_layers} like these: "
            f"signal {span([row.signal for row in rows])}, "
            f"gradient {span([row.gradient for row in rows])}"
        )
        return f"{text}, with {counted(between, 'layer')} between them" if between else text


Block = tuple[LayerRow, ...]


def fold(rows: Sequence[LayerRow]) -> list[LayerRow | Fold]:
    """Rows in order, with the inside of long uniform runs folded when the network is deep.

    Kept are both ends of every run of layers (or of blocks of layers, as in a transformer) with the
    same findings, activation and kind, all that departs from its run, and landmarks where the
    signal or the gradient changes by decades inside a run. More than a few batch norms without a
    finding are one line at the end.
    """
    quiet = tuple(row for row in rows if _is_quiet_norm(row))
    if len(quiet) > MOST_NORMS:
        rest = fold([row for row in rows if not _is_quiet_norm(row)])
        return [*rest, Fold(quiet)]
    blocks = list(_blocks(rows))
    if sum(row.weighted for row in rows) <= FOLD_ABOVE:
        return list(rows)
    return [entry for run, period in _runs(blocks) for entry in _fold_run(run, period)]


def _runs(blocks: Sequence[Block]) -> Iterator[tuple[list[Block], int]]:
    """Runs of equal blocks, with their period: the number of blocks joined in each."""
    signs = [_signature(block) for block in blocks]
    at = 0
    while at < len(blocks):
        period, count = _repetition(signs, at)
        if period > 1 and _repetition(signs, at + 1) == (period, count):
            # The same period starts at the next block: this block is before the first period.
            period, count = 1, 1
        starts = range(at, at + period * count, period)
        yield [tuple(chain(*blocks[start : start + period])) for start in starts], period
        at += period * count


def _repetition(signs: Sequence[object], at: int) -> tuple[int, int]:
    """The period whose repetitions from `at` on cover most blocks, and their number."""
    best = (1, _repeated(signs, at, 1))
    for period in range(2, _LONGEST_PERIOD + 1):
        count = _repeated(signs, at, period)
        if count >= _FEWEST_PERIODS and count * period > best[0] * best[1]:
            best = (period, count)
    return best


def _repeated(signs: Sequence[object], at: int, period: int) -> int:
    count = 1
    while signs[at : at + period] == signs[at + count * period : at + (count + 1) * period]:
        count += 1
    return count


def _is_quiet_norm(row: LayerRow) -> bool:
    return row.role == Role.NORMALIZATION and not row.marks and math.isfinite(row.mean_gap)


def _blocks(rows: Sequence[LayerRow]) -> Iterator[Block]:
    """A weighted layer with the layers that follow it up to the next one."""
    block: list[LayerRow] = []
    for row in rows:
        if row.weighted and block:
            yield tuple(block)
            block = []
        block.append(row)
    if block:
        yield tuple(block)


def _signature(block: Block) -> tuple[object, ...]:
    return tuple(
        (
            row.kind,
            row.role,
            row.activation,
            row.band,
            tuple(mark.code for mark in row.marks),
            row.note if row.weighted else "",
            math.isnan(row.signal),
            math.isnan(row.gradient),
            row.signal == 0,
            row.gradient == 0,
        )
        for row in block
    )


def _fold_run(run: list[Block], period: int) -> Iterator[LayerRow | Fold]:
    edge, shortest = (_EDGE, _SHORTEST_FOLD) if period == 1 else (1, 2)
    keep = _departures(run) | _landmarks(run)
    keep |= set(range(edge)) | set(range(len(run) - edge, len(run)))
    at = 0
    while at < len(run):
        end = at
        while end < len(run) and end not in keep:
            end += 1
        if end - at >= shortest:
            yield Fold(tuple(chain(*run[at:end])), end - at if period > 1 else 0)
        else:
            end = max(end, at + 1)
            for block in run[at:end]:
                yield from block
        at = end


def _departures(run: list[Block]) -> set[int]:
    """Both sides of every step between neighbours that differs from the run's usual step.

    Each layer of a block is compared with the same layer of the next block: by its gains, or by
    the levels where the network branches and has no gains.
    """
    departed: set[int] = set()
    for alike in zip(*run, strict=True):
        if any(math.isfinite(row.signal_gain) for row in alike):
            flow, reach = [(row.signal_gain, row.gradient_gain) for row in alike], 0.3
        else:
            flow, reach = [(row.signal, row.gradient) for row in alike], 0.5
        departed |= _steps(
            ([_log10(signal) for signal, _ in flow], reach),
            ([_log10(gradient) for _, gradient in flow], reach),
            *(_figures(name, alike) for name, column in FIGURES.items() if column.compared),
        )
    return departed


def _figures(name: str, rows: Sequence[LayerRow]) -> tuple[list[float], float]:
    """The values of a column, and how far a step may be from the usual step."""
    values = [row.figures.get(name, math.nan) for row in rows]
    if FIGURES[name].logarithmic:
        return [_log10(value) for value in values], 1.0
    return values, 0.25


def _steps(*figures: tuple[list[float], float]) -> set[int]:
    """Both sides of every step that is further than the reach from the usual step of the values."""
    departed: set[int] = set()
    for values, reach in figures:
        steps = [after - before for before, after in pairwise(values)]
        finite = [step for step in steps if math.isfinite(step)]
        usual = float(np.median(finite)) if finite else 0.0
        for i, step in enumerate(steps):
            # A figure that only one of two layers has is a step too.
            appears = math.isnan(values[i]) != math.isnan(values[i + 1])
            if appears or abs(step - usual) > reach:
                departed |= {i, i + 1}
    return departed


def _landmarks(run: list[Block]) -> set[int]:
    lead = [block[0] for block in run]
    widest = max(_decades([row.signal for row in lead]), _decades([row.gradient for row in lead]))
    marks = min(_MOST_LANDMARKS, int(widest / _DECADES_PER_LANDMARK))
    return {round(i * (len(run) - 1) / (marks + 1)) for i in range(1, marks + 1)}


def _decades(values: Sequence[float]) -> float:
    logs = [log for log in map(_log10, values) if math.isfinite(log)]
    return max(logs) - min(logs) if logs else 0.0


def _log10(value: float) -> float:
    return math.log10(value) if 0 < value < math.inf else math.nan
