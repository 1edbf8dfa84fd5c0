"""The figures of a run's first screen, the one that proves the finding first."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradscope.analyzer.conclusion import slow_updates
from gradscope.analyzer.curves import through_time
from gradscope.analyzer.theory.drawn_profile import time_limits
from gradscope.record import Finding
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.page.depth_plots import gradient_plot, signal_plot
from gradscope.reporters.run.page.layer_plots import (
    batch_norm_plot,
    dead_units_plot,
    nonfinite_plot,
    slope_plot,
    updates_plot,
)
from gradscope.reporters.run.page.moments import frames
from gradscope.reporters.run.page.plot_parts import (
    floats,
    fraction,
    over_layers,
    plot_title,
)
from gradscope.reporters.run.page.screen import Curve, Limit, Plot, Role, RowPlot

MOST_POINTS = 200
"""Points of a curve over steps: more than a screen has room for."""


def run_plots(report: Report) -> tuple[Plot | RowPlot, ...]:
    """The plots that the record has figures for, that of the leading finding first."""
    verdict = lead.lead_verdict(report)
    finding = lead.lead_finding(report)
    first = "Updates" if slow_updates(report.diagnosis) else "Gradient"
    if verdict is not None:
        first = _TABS.get(verdict.name, "Gradient")
    loss = _loss(report, finding if first == "Loss" else None)
    if loss is None and verdict is not None and verdict.name == "non_finite":
        first = "Not finite"
    drawn = [draw(report, finding if tab == first else None) for tab, draw in _DRAWN.items()]
    plots = [plot for plot in (*drawn, loss) if plot is not None]
    return tuple(sorted(plots, key=lambda plot: plot.tab != first))


_TABS = {
    "vanishing_signal": "Signal",
    "exploding_signal": "Signal",
    "collapsed_representation": "Signal",
    "initializer_mismatch": "Signal",
    "selu_conditions": "Signal",
    "unscaled_input": "Signal",
    "saturated_units": "Slope",
    "dead_units": "Dead units",
    "unstable_updates": "Updates",
    "frozen_layers": "Updates",
    "optimizer_epsilon": "Updates",
    "vanishing_through_time": "Time",
    "batch_norm_momentum": "Batch norm",
    "batch_norm_inference_gap": "Batch norm",
    "not_learning": "Loss",
    "diverging_loss": "Loss",
    "oscillating_loss": "Loss",
    "output_mismatch": "Loss",
    "non_finite": "Loss",
    "exhausted_learning_rate": "Loss",
    "saturated_output": "Loss",
    "unmatched_targets": "Loss",
    "unscaled_targets": "Loss",
    "mixed_samples": "Loss",
}
"""The figure that proves what a detector found; the gradient for every other one."""


def _time(report: Report, finding: Finding | None) -> Plot | None:
    for profile in through_time.time_profiles(report.record):
        if finding is None or profile.layer.name not in finding.layers[:1]:
            continue
        values = profile.typical
        count = len(values)
        curves = [Curve(Role.MEASURED, "measured", floats(values))]
        drawn = time_limits(report.record).get(profile.layer.name)
        if drawn is not None:
            ends = floats(drawn.low), floats(drawn.high)
            curves.append(Curve(Role.THEORY, "draws, at the start", floats(drawn.centre), *ends))
        return Plot(
            "Time",
            plot_title(report, finding, "Gradient over time steps"),
            f"Rms of dL/dh_t of {printable(profile.layer.name)} over its largest, by time step",
            over_layers([str(i) for i in range(count)]),
            tuple(f"time step {i}" for i in range(count)),
            ((0, "first read"), (count - 1, "last")),
            tuple(curves),
            (Limit(finding.threshold, f"limit {fraction(finding.threshold)}", True),),
            frozenset(i for i in range(count) if values[i] < finding.threshold),
            frames=frames(report.record, profile.relative),
        )
    return None


def _loss(report: Report, finding: Finding | None) -> Plot | None:
    record = report.record
    rows = np.flatnonzero(record.steps > 0)
    if rows.size < 2:
        return None
    chosen = rows[np.unique(np.linspace(0, rows.size - 1, min(rows.size, MOST_POINTS)).astype(int))]
    steps, loss = record.steps[chosen], record.scalars["loss"][chosen]
    finite = np.isfinite(loss)
    if not finite.any():
        return None
    constant = lead.constant_loss(report)
    chance = "a constant answer gives {}".format(number(float(f"{constant:.3g}")))
    known = (Limit(constant, chance, finding is not None),) if math.isfinite(constant) else ()
    alone = record.answers.lone_loss if record.answers is not None else math.nan
    if finding is not None and lead.lead_name(report) == "mixed_samples" and math.isfinite(alone):
        known = (Limit(alone, f"the samples alone have {alone:.3g}", True),)
    positive = loss[finite] > 0
    wide = bool(positive.all()) and float(loss[finite].max() / loss[finite].min()) > 100
    last = float(steps[-1])
    ticks = ((0, f"step {steps[0]}"), (len(steps) - 1, f"step {steps[-1]}"))
    definition = "Loss of the training batches"
    if not finite.all():
        definition += f"; not finite from step {steps[~finite][0]} on"
    return Plot(
        "Loss",
        plot_title(report, finding, "Loss over the steps"),
        definition,
        tuple(float(step) / last for step in steps),
        tuple(f"step {step}" for step in steps),
        ticks,
        (Curve(Role.MEASURED, "loss", floats(np.where(finite, loss, np.nan))),),
        known,
        log=wide,
        axis="step",
    )


_DRAWN: dict[str, Callable[[Report, Finding | None], Plot | RowPlot | None]] = {
    "Not finite": nonfinite_plot,
    "Gradient": gradient_plot,
    "Signal": signal_plot,
    "Slope": slope_plot,
    "Dead units": dead_units_plot,
    "Updates": updates_plot,
    "Batch norm": batch_norm_plot,
    "Time": _time,
}
"""The figures beside that of the loss, which stands last."""
