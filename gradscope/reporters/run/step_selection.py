"""Which recorded steps result.json shows: all of a short run, at most `MOST` of a long one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gradscope.record import RunRecord
from gradscope.record.run_record import Integers
from gradscope.reporters.report import Report

MOST = 200
"""Steps of a series in result.json: a row for about each column of pixels of a plot over steps.
With 50 layers they take 8 MB (benchmarks/README.md)."""

_MOST_EVENTS = 80
_ALL = "every recorded step"
_CHOSEN = (
    "the first two and the last recorded step, those at which a finding begins or ends, the first "
    "non-finite one and the one before it, those at which the probe set was measured; the rest in "
    "two halves, spaced evenly and by equal factors. record.npz has every step."
)


@dataclass(frozen=True)
class StepSelection:
    """Rows of the record, in their order; `events` are the steps kept for what happened there."""

    rows: Integers
    recorded: int
    events: tuple[int, ...]

    @property
    def rule(self) -> str:
        """How the steps were chosen, as a sentence."""
        return _ALL if len(self.rows) == self.recorded else _CHOSEN


def select_steps(report: Report) -> StepSelection:
    """Choose the steps of a report's series."""
    record = report.record
    count = len(record.steps)
    if count <= MOST:
        return StepSelection(np.arange(count), count, ())
    events = sorted(_events(report))
    kept = {0, 1, count - 1, *events}
    for number in range((MOST - len(kept)) // 2, 0, -1):
        spaced = np.linspace(0, count - 1, number), np.geomspace(1, count - 1, number)
        chosen = kept.union(*(np.round(places).astype(int).tolist() for places in spaced))
        if len(chosen) <= MOST:
            kept = chosen
            break
    rows = np.array(sorted(kept), np.int64)
    return StepSelection(rows, count, tuple(record.steps[events].tolist()))


def _events(report: Report) -> set[int]:
    """Rows at which something happened, at most `_MOST_EVENTS`; findings before the rest."""
    record, kept = report.record, set[int]()
    for group in (_non_finite_rows(record), _finding_rows(report), _probe_rows(record)):
        kept |= set(list(group)[: _MOST_EVENTS - len(kept)])
    return kept


def _finding_rows(report: Report) -> Iterable[int]:
    steps = [
        step
        for verdict in report.diagnosis.verdicts
        for finding in verdict.findings
        for step in (finding.since_step, finding.until_step)
    ]
    rows = np.searchsorted(report.record.steps, steps)
    return dict.fromkeys(min(row, len(report.record.steps) - 1) for row in rows.tolist())


def _non_finite_rows(record: RunRecord) -> Iterable[int]:
    lost = np.flatnonzero(
        (np.nansum(record.series["nonfinite_count"], axis=1) > 0)
        | ~np.isfinite(record.scalars["loss"])
    )
    return {max(0, int(lost[0]) - 1), int(lost[0])} if lost.size else ()


def _probe_rows(record: RunRecord) -> Iterable[int]:
    dead = record.series["dead_fraction"]
    rows: list[int] = np.flatnonzero(~np.isnan(dead).all(axis=1)).tolist()
    return rows
