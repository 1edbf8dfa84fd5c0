"""One figure per layer: dead units, slopes, updates, moving statistics."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer.conclusion import slow_updates
from gradscope.analyzer.curves import window
from gradscope.record import Finding
from gradscope.record import Role as LayerRole
from gradscope.record.run_record import Floats, Integers
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.page.moments import MOST, frames, starts
from gradscope.reporters.run.page.plot_parts import (
    failing,
    floats,
    layer_ticks,
    over_layers,
    plot_title,
    typical_row,
)
from gradscope.reporters.run.page.screen import Curve, Limit, Plot, Role, Row, RowPlot

_USUAL_UPDATE = 1e-3
_MOST_ROWS = 24
"""Rows of a figure whose names still stand beside them at 12 pixels."""

_MOST_BESIDE = 12
MOST_STEPS = 200


def _share_plot(
    report: Report, finding: Finding | None, statistic: str, tab: str, words: tuple[str, str]
) -> Plot | None:
    """A share of every hidden layer, as last measured."""
    record = report.record
    columns = [i for i in record.indices(LayerRole.HIDDEN) if record.layers[i].measured]
    values = record.series[statistic][:, columns]
    shown = values[np.isfinite(values).any(axis=1)] if columns else values
    if not len(shown):
        return None
    row = shown[-1]
    names = [record.layers[i].name for i in columns]
    crossed = (
        (Limit(finding.threshold, f"limit {finding.threshold:.0%}", True),)
        if finding is not None and finding.threshold >= 0.01
        else ()
    )
    return Plot(
        tab,
        plot_title(report, finding, words[0]),
        words[1],
        over_layers(names),
        tuple(map(printable, names)),
        layer_ticks(names),
        (Curve(Role.MEASURED, "measured", floats(row)),),
        crossed,
        failing(finding, names),
        log=False,
        share=True,
        frames=frames(record, values),
    )


def dead_units_plot(report: Report, finding: Finding | None) -> Plot | RowPlot | None:
    """The share of dead units, where there are some: over the steps for as many rows as fit."""
    words = ("Dead units per layer", "Share of the units that no sample of the probe set activates")
    plot = _share_plot(report, finding, "dead_fraction", "Dead units", words)
    if plot is None or (finding is None and max(plot.curves[0].values) < 0.01):
        return None
    return _dead_rows(report, finding, plot) or plot


def _dead_rows(report: Report, finding: Finding | None, plot: Plot) -> RowPlot | None:
    """A row per layer, its share of dead units over the steps at which it was measured."""
    record = report.record
    columns = [i for i in record.indices(LayerRole.HIDDEN) if record.layers[i].measured]
    values = record.series["dead_fraction"][:, columns]
    measured = np.flatnonzero(np.isfinite(values).any(axis=1))
    if not 0 < len(columns) <= _MOST_ROWS or measured.size < 2:
        return None
    last = measured.size - 1
    rows = measured[np.unique(np.linspace(0, last, min(last + 1, MOST)).astype(np.int64))]
    steps = record.steps[rows]
    failing_names = finding.layers if finding is not None else ()
    return RowPlot(
        plot.tab,
        plot.title,
        f"{plot.definition}, by step",
        tuple(float(step) / float(record.steps[-1]) for step in steps),
        tuple(f"step {step}" for step in steps),
        ((0, f"step {steps[0]}"), (len(steps) - 1, f"step {steps[-1]}")),
        tuple(
            Row(name, floats(values[rows, i]), record.layers[column].name in failing_names)
            for i, (column, name) in enumerate(zip(columns, plot.names, strict=True))
        ),
        "dead",
    )


def slope_plot(report: Report, finding: Finding | None) -> Plot | None:
    """The slope of the activation, where that is what was found."""
    if finding is None:
        return None
    words = ("Slope of the activation", "Mean slope over the largest one: low is saturated")
    return _share_plot(report, finding, "derivative_gain", "Slope", words)


def updates_plot(report: Report, finding: Finding | None) -> Plot | None:
    """How far a step changes the weights; the largest change where it was one step's."""
    record = report.record
    columns = [layer.index for layer in record.layers if layer.weighted and layer.measured]
    values = record.series["update_ratio"][:, columns]
    measured = np.isfinite(values).any(axis=1)
    trained, steps = values[measured], record.steps[measured]
    if len(columns) < 2 or not len(trained):
        return None
    row = trained[0] if starts(report) else np.median(trained[window.last_quarter(steps)], axis=0)
    if finding is not None and finding.until_step < int(record.steps[-1]):
        row = np.nanmax(trained, axis=0)
    names = [record.layers[i].name for i in columns]
    if finding is not None and lead.lead_name(report) == "unstable_updates":
        return _updates_over_steps(report, finding, trained, steps, names)
    usual = Limit(_USUAL_UPDATE, "a thousandth is usual", slow_updates(report.diagnosis))
    crossed = (
        (Limit(finding.threshold, f"limit {number(finding.threshold)}", True),)
        if finding is not None and lead.lead_name(report) != "optimizer_epsilon"
        else ()
    )
    return Plot(
        "Updates",
        plot_title(report, finding, "How far a step changes the weights"),
        "Rms of the change of the kernel over that of the kernel, per step",
        over_layers(names),
        tuple(map(printable, names)),
        layer_ticks(names),
        (Curve(Role.MEASURED, "measured", floats(row)),),
        (*crossed, usual),
        failing(finding, names),
        frames=frames(record, values),
    )


def nonfinite_plot(report: Report, finding: Finding | None) -> Plot | None:
    """The values of each layer that are not finite where they appear first: in the signal, or in
    the gradient where the signal is finite. None where the report does not rest on them."""
    record, rests_on = report.record, lead.lead_finding(report)
    if rests_on is None or lead.lead_name(report) != "non_finite":
        return None
    rows = np.flatnonzero(record.steps == rests_on.since_step)
    if not rows.size:
        return None
    counts = record.series["nonfinite_forward_count"][rows[0]]
    signal = bool(np.nansum(counts))
    if not signal:
        counts = record.series["nonfinite_backward_count"][rows[0]]
    columns = [layer.index for layer in record.layers if np.isfinite(counts[layer.index])]
    if len(columns) < 2 or not np.any(counts[columns]):
        return None
    names = [record.layers[i].name for i in columns]
    return Plot(
        "Not finite",
        plot_title(report, finding, "Where the values are not finite"),
        f"{'Signal' if signal else 'Gradient'} values that are NaN or Inf in step "
        f"{rests_on.since_step}",
        over_layers(names),
        tuple(map(printable, names)),
        layer_ticks(names),
        (Curve(Role.MEASURED, "values not finite", floats(counts[columns])),),
        (),
        failing(rests_on, names),
    )


def _updates_over_steps(
    report: Report, finding: Finding, values: Floats, steps: Integers, names: list[str]
) -> Plot:
    """The update of the worst layer over the steps, those of the others beside it."""
    rows = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST_STEPS)).astype(np.int64))
    shown, at = values[rows], steps[rows]
    largest = np.nanmax(np.where(np.isfinite(shown), shown, 0.0), axis=0)
    named = [i for i, name in enumerate(names) if name in finding.layers] or list(range(len(names)))
    worst = max(named, key=lambda i: float(largest[i]))
    beside = [i for i in np.argsort(-largest)[:_MOST_BESIDE].tolist() if i != worst]
    curves = [Curve(Role.BESIDE, "", floats(shown[:, i])) for i in beside]
    return Plot(
        "Updates",
        plot_title(report, finding, "How far a step changes the weights"),
        "Rms of the change of the kernel over that of the kernel, by step; thin: other layers",
        tuple(float(step) / float(at[-1]) for step in at),
        tuple(f"step {step}" for step in at),
        ((0, f"step {at[0]}"), (len(at) - 1, f"step {at[-1]}")),
        (*curves, Curve(Role.MEASURED, printable(names[worst]), floats(shown[:, worst]))),
        (
            Limit(finding.threshold, f"limit {number(finding.threshold)}", True),
            Limit(_USUAL_UPDATE, "a thousandth is usual", False),
        ),
        frozenset(np.flatnonzero(shown[:, worst] > finding.threshold).tolist()),
        axis="step",
    )


def batch_norm_plot(report: Report, finding: Finding | None) -> Plot | None:
    """The moving statistics beside the batches', where that is what was found."""
    record = report.record
    columns = list(record.indices(LayerRole.NORMALIZATION))
    if finding is None or not columns:
        return None
    ratio = typical_row(report, finding, record.series["batch_norm_variance_ratio"][:, columns])
    gap = typical_row(report, finding, record.series["batch_norm_mean_gap"][:, columns])
    if not (np.isfinite(ratio).any() and np.isfinite(gap).any()):
        return None
    with np.errstate(divide="ignore"):
        by_variance = np.nanmax(np.abs(np.log(ratio))) > np.nanmax(np.abs(gap))
    names = [record.layers[i].name for i in columns]
    values, agreement, words = (ratio, 1.0, _RATIO) if by_variance else (gap, 0.0, _GAP)
    series = record.series["batch_norm_variance_ratio" if by_variance else "batch_norm_mean_gap"]
    series = series[:, columns]
    return Plot(
        "Batch norm",
        plot_title(report, finding, "Moving statistics beside the batches'"),
        words,
        over_layers(names),
        tuple(map(printable, names)),
        layer_ticks(names),
        (Curve(Role.MEASURED, "measured", floats(values)),),
        (Limit(agreement, "agreement", False),),
        failing(finding, names),
        log=bool(by_variance),
        frames=frames(record, series),
    )


_RATIO = "Variance of the batch over the moving variance that inference uses: 1 is agreement"
_GAP = "Rms of batch mean - moving mean over the moving standard deviation: 0 is agreement"
