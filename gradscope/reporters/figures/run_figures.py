"""Heatmaps layer by step, profiles over depth and over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from gradscope.analyzer.curves import through_time
from gradscope.analyzer.curves.depth_profile import delta_reference
from gradscope.analyzer.curves.through_time import TimeProfile
from gradscope.analyzer.theory.drawn_profile import (
    DrawnLimits,
    drawn_limits,
    drawn_rows,
    time_limits,
)
from gradscope.analyzer.theory.expectation import limits
from gradscope.message_text import counted
from gradscope.record import Role, RunRecord
from gradscope.reporters import check_text
from gradscope.reporters.delta_reference import reference_name
from gradscope.reporters.figures import style
from gradscope.reporters.figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, Floats
from gradscope.reporters.layout.lines import shortened
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.theory.prediction import LEVEL, Source

_TITLES = {
    "gradient": "Gradient: rms of delta over that of {reference}",
    "signal": "Signal: rms of z, what the activation receives",
}
_MOST_COLUMNS = 1000
_MOST_PANELS = 8


def _title(quantity: str, record: RunRecord) -> str:
    return _TITLES[quantity].format(reference=reference_name(record))


def heatmaps(report: Report) -> Figure:
    """Log10 of the gradient and of the signal, layer by step."""
    record = report.record
    layers = style.weighted(record)
    shown = [layers[i] for i in style.evenly(len(layers), style.MOST_LAYERS)]
    height = 1.3 + 0.17 * min(max(len(shown), 6), 36)
    figure = style.new_figure(9.0, 2 * height)
    panels: Any = figure.subplots(2, 1, squeeze=False)
    for axes, quantity in zip(panels[:, 0], ("gradient", "signal"), strict=True):
        title = _title(quantity, record)
        if len(shown) < len(layers):
            title += f" ({len(shown)} of {len(layers)} layers shown)"
        axes.set_title(title, loc="left")
        _heatmap(figure, axes, record, shown, style.rms(record, quantity))
    return figure


def _heatmap(
    figure: Figure, axes: Axes, record: RunRecord, layers: list[int], values: Floats
) -> None:
    if not layers or not len(record.steps):
        style.empty(axes, "no step was recorded")
        return
    columns = style.evenly(len(record.steps), _MOST_COLUMNS)
    grid = values[np.ix_(columns, layers)].T
    logs = np.full(grid.shape, np.nan)
    positive = np.isfinite(grid) & (grid > 0)
    logs[positive] = np.log10(grid[positive])
    style.hatched(axes)
    style.layer_ticks(axes.yaxis, record, layers)
    axes.set_xlabel("step")
    positive_logs = logs[positive]
    low, high = style.log_limits(positive_logs) if positive_logs.size else (-1.0, 1.0)
    scale = Normalize(low, high)
    axes.imshow(
        np.ma.masked_invalid(logs),
        aspect="auto",
        cmap="cividis",
        norm=scale,
        interpolation="nearest",
    )
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(layers) - 0.5, -0.5)
    steps = record.steps[columns]
    positions = [int(x) for x in MaxNLocator(10, integer=True).tick_values(0, len(steps) - 1)]
    positions = [position for position in positions if 0 <= position < len(steps)] or [0]
    axes.set_xticks(positions, labels=[str(steps[position]) for position in positions])
    bar = figure.colorbar(ScalarMappable(scale, "cividis"), ax=axes, pad=0.01)
    bar.ax.yaxis.set_major_locator(FixedLocator(style.log_ticks(low, high)))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: number(10**x)))
    if not positive.all():
        label = f"{style.MISSING}, or exactly 0"
        patch = Patch(facecolor="#e8e8e8", edgecolor="#8a8a8a", hatch="////", label=label)
        axes.legend(
            handles=[patch], loc="lower right", bbox_to_anchor=(1, 1), frameon=False, borderpad=0
        )


def profiles(report: Report) -> Figure:
    """Signal and gradient over depth at the first, the middle and the last step, with theory."""
    record = report.record
    layers = style.weighted(record)
    figure = style.new_figure(9.0, 7.0)
    panels: Any = figure.subplots(2, 1, squeeze=False, sharex=True)
    for axes, quantity in zip(panels[:, 0], ("signal", "gradient"), strict=True):
        axes.set_title(_title(quantity, record), loc="left")
        _profile(axes, report, layers, quantity)
    return figure


def _profile(axes: Axes, report: Report, layers: list[int], quantity: str) -> None:
    record = report.record
    values = style.rms(record, quantity)[:, layers]
    rows = _chosen_steps(record, values)
    theory = _theory(report, layers, quantity)
    band = _band(report, layers, quantity)
    earlier = _baseline(report, layers, quantity)
    lines = [values[row] for row in rows] + ([theory] if theory is not None else [])
    lines += [*band, *earlier]
    if not lines or not style.log_axis(axes.yaxis, np.concatenate(lines)):
        style.empty(axes, f"nothing to show: {style.MISSING}")
        return
    positions = np.arange(len(layers))
    if earlier:
        typical, low, high = (np.where(line > 0, line, np.nan) for line in earlier)
        axes.fill_between(positions, low, high, color=GREY, alpha=0.3, lw=0, zorder=0.4)
        label = "baseline, and the range\nof its seeds"
        axes.plot(positions, typical, "--", lw=2.0, color=GREY, label=label, zorder=0.6)
    _draw_steps(axes, record, values, rows)
    if band:
        _draw_band(axes, band, "all layers together")
    if theory is not None:
        line = np.where(theory > 0, theory, np.nan)
        axes.plot(positions, line, ":", lw=2.0, color=BLACK, label=_source(report))
    names = style.layer_ticks(axes.xaxis, record, layers)
    if sum(map(len, names)) > 60:
        axes.tick_params(axis="x", labelrotation=60)
        for text in axes.get_xticklabels():
            text.set_horizontalalignment("right")
            text.set_rotation_mode("anchor")
    axes.set_xlim(-0.5, len(layers) - 0.5)
    _finish(axes, values[rows])


def time_profiles(report: Report) -> Figure | None:
    """Rms of dL/dh_t of each recurrent layer at the first, the middle and the last step.

    None where no recurrent layer was followed.
    """
    record = report.record
    profiles = through_time.time_profiles(record)
    if not profiles:
        return None
    shown = [profiles[i] for i in style.evenly(len(profiles), _MOST_PANELS)]
    figure = style.new_figure(9.0, 0.6 + 2.6 * len(shown))
    panels: Any = figure.subplots(len(shown), 1, squeeze=False)
    for axes, profile in zip(panels[:, 0], shown, strict=True):
        name = shortened(printable(profile.layer.name), 40, unicode=True)
        title = f"{name}: rms of dL/dh_t over its largest"
        if len(shown) < len(profiles):
            title += f" ({len(shown)} of {len(profiles)} layers shown)"
        axes.set_title(title, loc="left")
        _time_profile(axes, record, profile)
    return figure


def _time_profile(axes: Axes, record: RunRecord, profile: TimeProfile) -> None:
    values = profile.relative
    rows = _chosen_steps(record, values)
    drawn = time_limits(record).get(profile.layer.name)
    expected = [drawn.low, drawn.centre, drawn.high] if drawn is not None else []
    if not rows or not style.log_axis(axes.yaxis, np.vstack([values[rows], *expected])):
        style.empty(axes, f"nothing to show: {style.MISSING}")
        return
    _draw_steps(axes, record, values, rows)
    if drawn is not None:
        _draw_band(axes, (drawn.low, drawn.high), "all time steps together")
        line = np.where(drawn.centre > 0, drawn.centre, np.nan)
        axes.plot(
            np.arange(len(line)), line, ":", lw=2.0, color=BLACK, label="draws of the weights"
        )
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    first = "the input's last" if profile.layer.go_backwards else "the input's first"
    axes.set_xlabel(f"time step, as the layer reads them (0 is {first})")
    axes.set_xlim(-0.5, values.shape[1] - 0.5)
    _finish(axes, values[rows])


def _draw_steps(axes: Axes, record: RunRecord, values: Floats, rows: list[int]) -> None:
    """One line per row of `values` [step, position]."""
    positions = np.arange(values.shape[1])
    styles = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", "-."))
    for row, (color, marker, dash) in zip(rows, styles, strict=False):
        line = np.where(values[row] > 0, values[row], np.nan)
        size = 4.0 if len(positions) <= 40 else 2.0
        label = f"step {record.steps[row]}"
        axes.plot(positions, line, dash, marker=marker, ms=size, lw=1.2, color=color, label=label)


def _draw_band(axes: Axes, ends: tuple[Floats, ...], together: str) -> None:
    low, high = ends
    label = f"{LEVEL:.0%} of initialisations,\n{together}"
    axes.fill_between(
        np.arange(len(low)), low, high, color=BLACK, alpha=0.12, lw=0, label=label, zorder=0.5
    )


def _finish(axes: Axes, values: Floats) -> None:
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    # Beside the lines, so that it covers none of them.
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    _note_missing(axes, values)


def _chosen_steps(record: RunRecord, values: Floats) -> list[int]:
    """Rows of the first, the middle and the last step that has any figure, each once."""
    measured = [row for row in range(len(record.steps)) if np.isfinite(values[row]).any()]
    if not measured:
        return []
    return sorted({measured[0], measured[len(measured) // 2], measured[-1]})


def _source(report: Report) -> str:
    drawn = report.prediction is not None and report.prediction.source is Source.DRAWS
    return "draws of the weights" if drawn else "theory, at initialisation"


def _theory(report: Report, layers: list[int], quantity: str) -> Floats | None:
    """Theory's rms for `layers`, NaN where it has none; None where it has none for any."""
    prediction = report.prediction
    if prediction is None or prediction.outside:
        return None
    if prediction.source is Source.DRAWS:
        return _drawn(report.record, layers, quantity).centre
    moments = (
        prediction.delta_relative
        if quantity == "gradient"
        else prediction.preactivation_second_moment
    )
    line = np.sqrt(_by_name(report, prediction.names, moments, layers))
    return line if np.isfinite(line).any() else None


def _band(report: Report, layers: list[int], quantity: str) -> tuple[Floats, ...]:
    """The ends of theory's band for `layers`, low and high, NaN where it has none; () without."""
    if report.prediction is None:
        return ()
    if report.prediction.source is Source.DRAWS:
        drawn = _drawn(report.record, layers, quantity)
        return (drawn.low, drawn.high)
    ends = limits(report.prediction).get("delta" if quantity == "gradient" else quantity, ())
    return tuple(_by_name(report, report.prediction.names, end, layers) for end in ends)


def _drawn(record: RunRecord, layers: list[int], quantity: str) -> DrawnLimits:
    """What the draws show of `layers`, computed as the measured figures are."""
    rows = drawn_rows(record)
    tables = [style.rms(rows, name)[:, layers] for name in ("signal", "gradient")]
    # Delta at the logits has no band: it is bounded from below by that of equal probabilities.
    tables[1][:, [record.layers[i].role == Role.OUTPUT for i in layers]] = np.nan
    return drawn_limits(*tables)[quantity == "gradient"]


def _baseline(report: Report, layers: list[int], quantity: str) -> tuple[Floats, ...]:
    """The baseline's typical, smallest and largest rms for `layers`; () for a run by itself.

    A check has its gradients over the output layer's; here they are over that of the figure's
    reference.
    """
    checked = report.checked
    if checked is None:
        return ()
    wanted = "delta" if quantity == "gradient" else quantity
    for curves in check_text.curves_of(checked, check_text.leading_check(checked)):
        if curves.quantity == wanted:
            side = curves.before
            lines = [
                _by_name(report, curves.layers, np.array(values), layers)
                for values in (side.typical, side.low, side.high)
            ]
            scale = 1.0
            if wanted == "delta":
                reference = delta_reference(report.record)
                scale = lines[0][layers.index(reference)] if reference in layers else np.nan
            return tuple(line / scale for line in lines) if np.isfinite(scale) else ()
    return ()


def _by_name(report: Report, names: tuple[str, ...], values: Floats, layers: list[int]) -> Floats:
    """The `values` of `layers`, by their names; NaN where there is none."""
    by_name = dict(zip(names, values, strict=True))
    chosen: Floats = np.array([by_name.get(report.record.layers[i].name, np.nan) for i in layers])
    return chosen


def _note_missing(axes: Axes, values: Floats) -> None:
    missing = int(np.count_nonzero(~(np.isfinite(values) & (values > 0))))
    if missing:
        text = f"{counted(missing, 'point')} not on the axis: {style.MISSING}, or exactly 0"
        # On a line of its own: beside a long title there is no room for it.
        axes.set_title(f"{axes.get_title(loc='left')}\n{text}", loc="left")
