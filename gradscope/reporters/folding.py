"""Shorten the table of a deep network: layers that say the same as their neighbours are counted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from gradscope.reporters.layer_table import LayerRow
from gradscope.reporters.numbers import plural, span

FOLD_ABOVE = 30
_SHORTEST_FOLD = 4
_EDGE = 2
_DECADES_PER_LANDMARK = 2.0
_MOST_LANDMARKS = 8


@dataclass(frozen=True)
class Fold:
    """Consecutive rows not shown one by one; `rows` includes their batch norms."""

    rows: tuple[LayerRow, ...]

    @property
    def weighted(self) -> tuple[LayerRow, ...]:
        """The hidden and output layers among them."""
        return tuple(row for row in self.rows if row.weighted)

    @property
    def words(self) -> str:
        """How many layers these are and which range their signal and gradient cover."""
        rows = self.weighted
        between = len(self.rows) - len(rows)
        text = (
            f"... {plural(len(rows), 'layer')} like these: "
            f"signal {span([row.signal for row in rows])}, "
            f"gradient {span([row.gradient for row in rows])}"
        )
        return f"{text}, with {plural(between, 'layer')} between them" if between else text


Block = tuple[LayerRow, ...]


def fold(rows: Sequence[LayerRow]) -> list[LayerRow | Fold]:
    """Rows in order, with the inside of long uniform runs folded when the network is deep.

    Kept are both ends of every run of layers with the same findings, activation and kind, every
    layer that departs from its run, and landmarks where the signal or the gradient changes by
    decades inside a run.
    """
    blocks = list(_blocks(rows))
    if sum(row.weighted for row in rows) <= FOLD_ABOVE:
        return list(rows)
    folded: list[LayerRow | Fold] = []
    for _, group in groupby(blocks, key=_signature):
        run = list(group)
        folded.extend(_fold_run(run))
    return folded


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
            tuple(mark.code for mark in row.marks),
            row.note if row.weighted else "",
            math.isnan(row.signal),
            math.isnan(row.gradient),
            row.signal == 0,
            row.gradient == 0,
        )
        for row in block
    )


def _fold_run(run: list[Block]) -> Iterator[LayerRow | Fold]:
    keep = _departures(run) | _landmarks(run)
    keep |= set(range(_EDGE)) | set(range(len(run) - _EDGE, len(run)))
    at = 0
    while at < len(run):
        end = at
        while end < len(run) and end not in keep:
            end += 1
        if end - at >= _SHORTEST_FOLD:
            yield Fold(tuple(row for block in run[at:end] for row in block))
        else:
            end = max(end, at + 1)
            for block in run[at:end]:
                yield from block
        at = end


def _departures(run: list[Block]) -> set[int]:
    """Both sides of every step between neighbours that is larger than the run's usual step."""
    lead = [block[0] for block in run]
    departed: set[int] = set()
    for values, reach in (
        ([_log10(row.signal_gain) for row in lead], 0.3),
        ([_log10(row.gradient_gain) for row in lead], 0.3),
        ([_log10(row.update_ratio) for row in lead], 1.0),
        ([row.dead for row in lead], 0.25),
        ([row.derivative_gain for row in lead], 0.25),
    ):
        steps = [after - before for before, after in pairwise(values)]
        finite = [step for step in steps if math.isfinite(step)]
        usual = float(np.median(finite)) if finite else 0.0
        for i, step in enumerate(steps):
            # A figure that comes or goes between two layers is a step too.
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
