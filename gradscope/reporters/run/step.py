"""A network at one recorded step: the table of its layers, with bars over depth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradscope.errors import BadRequest
from gradscope.record import RunRecord
from gradscope.reporters.layout.lines import Page
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run.tables.layer_table import layer_table
from gradscope.reporters.run.terminal.layer_lines import add_layers


def at_step(record: RunRecord, step: int) -> RunRecord:
    """The record with the figures of one step alone.

    Raises `BadRequest`, with the nearest recorded step, where `step` was not recorded.
    """
    rows = np.flatnonzero(record.steps == step)
    if not rows.size:
        raise BadRequest(f"step {step} was not recorded", _nearest(record, step))
    return record.at_rows(rows)


def _nearest(record: RunRecord, step: int) -> str:
    if not len(record.steps):
        return "no step was"
    nearest = int(record.steps[np.argmin(np.abs(record.steps - step))])
    first, last = int(record.steps[0]), int(record.steps[-1])
    return f"the nearest is {nearest}; recorded are steps from {first} to {last}"


def step_text(report: Report, step: int, options: ReportOptions) -> str:
    """The step with its loss and accuracy, and the table of layers.

    A verdict rests on many steps, so there is none here. Raises `BadRequest` as `at_step` does.
    """
    record = at_step(report.record, step)
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    page.add_text(_title(record, report.record), "title")
    diagnosis = replace(report.diagnosis, verdicts=())
    shown = replace(report, record=record, diagnosis=diagnosis)
    add_layers(page, layer_table(shown))
    return page.render()


def _title(record: RunRecord, whole: RunRecord) -> str:
    step = f"step {record.steps[0]} of {whole.outcome.steps_done}"
    figures = [
        f"{name} {number(float(values[0]))}"
        for name, values in record.scalars.items()
        if name in ("loss", "accuracy") and np.isfinite(values[0])
    ]
    return ", ".join([f"{printable(record.name)} at {step}", *figures])
