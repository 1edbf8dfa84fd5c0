"""The steps that the slider of a page stops at, and a plot's values at each of them."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.record import RunRecord
from gradscope.record.run_record import Floats, Integers
from gradscope.reporters.report import Report
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.page.screen import Moments

MOST = 60
"""Stops of the slider: as many as a finger tells apart on a telephone's 350 px."""


_BUILT = frozenset(("initializer_mismatch", "selu_conditions", "unscaled_input"))
"""Detectors of what a network starts with: what training makes of it is no part of the finding."""


def starts(report: Report) -> bool:
    """Whether the page rests on what was there before the first step."""
    return lead.lead_name(report) in _BUILT and int(report.record.steps[0]) == 0


def moment_rows(record: RunRecord) -> Integers:
    """Rows of the record, evenly spaced, the first and the last among them."""
    count = len(record.steps)
    rows: Integers = np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(np.int64))
    return rows


def moments(report: Report) -> Moments:
    """The slider of a report; without stops where fewer than two steps were recorded."""
    record = report.record
    if len(record.steps) < 2:
        return Moments()
    steps = tuple(int(step) for step in record.steps[moment_rows(record)])
    finding = lead.lead_finding(report)
    if starts(report):
        return Moments(steps, f"step {record.steps[0]}, as judged")
    past = finding is not None and finding.until_step < int(record.steps[-1])
    if past or lead.lead_name(report) == "non_finite":
        return Moments(steps, "as judged")
    judged = record.steps[window.last_quarter(record.steps)]
    first, last = int(judged[0]), int(judged[-1])
    some = f"steps {first} to {last}" if first < last else f"step {last}"
    return Moments(steps, f"{some}, as judged")


def frames(record: RunRecord, values: Floats) -> tuple[tuple[float, ...], ...]:
    """The rows of `values` [step, layer] at the stops; what is measured now and then is held."""
    if len(record.steps) < 2:
        return ()
    held = values.copy()
    for row in range(1, len(held)):
        gap = np.isnan(held[row])
        held[row, gap] = held[row - 1, gap]
    chosen = held[moment_rows(record)]
    return tuple(tuple(float(f"{value:.3g}") for value in row) for row in chosen)
