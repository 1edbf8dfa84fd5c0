"""Measured numbers as text: one number, a column, or a table of layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradscope.errors import BadRequest
from gradscope.record import RunRecord, tidy
from gradscope.reporters.layout.lines import Page, shortened
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.layout.table import Column, lay_out
from gradscope.reporters.report import ReportOptions

MAIN = ("preactivation_rms", "delta_rms", "kernel_gradient_rms", "update_ratio", "dead_fraction")
"""Columns of the table of layers, the most important first."""

LAST, ALL = "last", "all"
_LONGEST_NAME = 40


def series_text(
    record: RunRecord,
    *,
    layer: str | None = None,
    step: str = LAST,
    statistic: str | None = None,
    options: ReportOptions,
) -> str:
    """The chosen numbers of a record.

    `step` is a step's number, ``last`` (each statistic's last measured step) or ``all``. Raises
    `BadRequest` for a layer, a step or a statistic that the record does not have.
    """
    steps = _steps(record, step)
    layers = None if layer is None else (layer,)
    if statistic is None and layer is None:
        names: Sequence[str] = MAIN
    else:
        names = tidy.statistic_names(record) if statistic is None else (statistic,)
    values = _values(record, names, layers, steps, last=step == LAST)
    if statistic is not None and (layer is not None or statistic in record.scalars):
        return _series(values, single=step != ALL)
    if step == ALL:
        raise BadRequest(
            "--step all shows one series", "name a --layer and a --statistic; or use export"
        )
    if layer is not None:
        return _one_layer_text(values)
    return _layer_table(values, names, options)


Values = dict[tuple[str, str], list[tuple[int, float]]]
"""(layer, statistic) -> [(step, value)]."""


def _steps(record: RunRecord, step: str) -> tuple[int, ...] | None:
    if step in (LAST, ALL):
        return None
    if not step.isdecimal():
        raise BadRequest(f"--step: expected a number, last or all, received {step!r}")
    return (int(step),)


def _values(
    record: RunRecord,
    names: Sequence[str],
    layers: Sequence[str] | None,
    steps: Sequence[int] | None,
    *,
    last: bool,
) -> Values:
    values: Values = {}
    for block in tidy.blocks(record, statistics=names, layers=layers, steps=steps):
        for step, layer, statistic, value in block.rows():
            series = values.setdefault((layer, statistic), [])
            if last:
                series.clear()
            series.append((step, value))
    return values


def _series(values: Values, *, single: bool) -> str:
    rows = [row for series in values.values() for row in series]
    if not rows:
        raise BadRequest("it was not measured there", "gradscope show DIRECTORY --layer NAME")
    if single:
        return f"{rows[-1][1]!r}\n"
    return "".join(f"{step}\t{value!r}\n" for step, value in rows)


def _one_layer_text(values: Values) -> str:
    """Statistic and value, a line each."""
    rows = [(name, *series[-1]) for (_, name), series in values.items() if series]
    width = max((len(name) for name, _, _ in rows), default=0)
    return "".join(f"{name:<{width}}  {value:<12.6g}  step {step}\n" for name, step, value in rows)


def _layer_table(values: Values, names: Sequence[str], options: ReportOptions) -> str:
    """A row for each layer, a column for each statistic."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    layers = list(dict.fromkeys(layer for layer, _ in values))
    labels = [shortened(printable(layer), _LONGEST_NAME, options.unicode) for layer in layers]
    columns = [Column("layer", labels)]
    for position, name in enumerate(names):
        cells = [
            number(series[-1][1] if (series := values.get((layer, name))) else np.nan)
            for layer in layers
        ]
        columns.append(Column(name, cells, right=True, priority=position))
    layout = lay_out(columns, page.width)
    steps = sorted({step for series in values.values() for step, _ in series})
    page.add_text(f"step {steps[-1]}" if steps else "nothing was measured", "dim")
    page.add_text(layout.heading(), "dim")
    for position in range(len(layers)):
        page.add_line(layout.row(position))
    if layout.absent:
        page.add_text(f"no room at this width for {', '.join(layout.absent)}", "dim")
    return page.render()
