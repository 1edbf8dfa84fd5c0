"""A forecast in a terminal: the whole network first, then layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradscope.message_text import counted
from gradscope.record import Role
from gradscope.record.run_record import Floats
from gradscope.reporters.layout.lines import Page, shortened
from gradscope.reporters.layout.numbers import interval, number, percent, ratio
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.layout.table import NARROWEST_TABLE, Column, add_table, lay_out
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.theory import THEORY_FORMS
from gradscope.reporters.theory_bands import limits
from gradscope.theory.forecast import Forecast
from gradscope.theory.prediction import LEVEL

MOST_ROWS = 30
_LONGEST_NAME = 20
_PRIORITY = {
    "layer": 0,
    "z": 0,
    "delta": 0,
    "z gain": 1,
    "delta gain": 2,
    "z band": 3,
    "delta band": 4,
    "z mean": 5,
    "delta mean": 6,
    "a": 7,
    "kernel": 8,
    "dead": 9,
    "std a": 10,
}
"""Column -> how soon a narrow terminal drops it; 0 stays."""

_ORDER = (
    "layer",
    "z",
    "z band",
    "z mean",
    "z gain",
    "a",
    "std a",
    "delta",
    "delta band",
    "delta mean",
    "delta gain",
    "kernel",
    "dead",
)
LEGEND = (
    "rms values. z: what the activation receives; a: what it gives, std a its standard deviation; "
    "delta = dL/dz and kernel, the kernel's gradient, over those of the last hidden layer; "
    "z gain: factor from the layer before; delta gain: factor going back from the layer after"
)
DRAWN_LEGEND = (
    "rms values. z: what the activation receives; a: what it gives; delta = dL/dz over that of the "
    "last hidden layer"
)
DEAD = "; dead: share of units that no sample of the batch activates"


@THEORY_FORMS.register("text")
def text(forecast: Forecast, options: ReportOptions) -> str:
    """Render the page in the width and the characters of `options`."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    title = "Theory at initialisation"
    if forecast.draws:
        title = f"Expected at initialisation, by {counted(forecast.draws, 'draw')} of the weights"
    page.add_text(f"{title}: {printable(forecast.name)}", "title")
    if forecast.outside:
        page.add_text(
            f"outside theory: {printable(forecast.outside)}", "warning", indent=2, hanging=2
        )
        if not forecast.prediction.outside:
            page.add_text(
                "the figures are those of infinite width; they have no band", "dim", indent=2
            )
    for line in (*_outlook(forecast), *forecast.notes):
        page.add_text(line, indent=2, hanging=4)
    if forecast.layers and not forecast.prediction.outside:
        _add_layers(page, forecast)
    if forecast.prediction.assumptions:
        page.add_heading("Taken for granted")
        for sentence in forecast.prediction.assumptions:
            page.add_text(f"- {sentence}", "dim", indent=2, hanging=2)
    if options.files:
        page.add_heading("Files")
        for path in options.files:
            page.add_text(printable(path), indent=2, hanging=2)
    return page.render()


def _outlook(forecast: Forecast) -> list[str]:
    """Sentences on the whole network."""
    fixed, geometry = forecast.fixed_point, forecast.geometry
    if fixed is None:
        return []
    depth = sum(layer.role == Role.HIDDEN for layer in forecast.layers)
    lines = [
        f"input: rms {number(_root(geometry.second_moment))}, squared norms vary by "
        f"{percent(geometry.norm_variation)}; batches of {forecast.batch_size}",
        f"deep layers: rms of z {_fixed_rms(fixed.q)}, correlation of two samples "
        f"{number(fixed.correlation, 'any')}; the gradient changes by "
        f"{ratio(_root(fixed.chi_1))} per layer going back (chi_1 = {number(fixed.chi_1)})",
        f"depth scales: signal {_layers(fixed.signal_scale)}, correlation "
        f"{_layers(fixed.correlation_scale)}, gradient {_layers(fixed.gradient_scale)}",
        f"trainable depth: {_layers(fixed.trainable_depth)}; the network has {depth}",
    ]
    head = forecast.head
    if head is not None:
        start = number(head.initial_loss, "not known for this loss")
        lines.append(
            f"output: initial loss {start}, rms of z "
            f"{number(_root(head.logit_second_moment))}; delta changes once by "
            f"{ratio(_root(head.drop))} on its way to the last hidden layer"
        )
    return lines


def _root(second_moment: float) -> float:
    """The rms; NaN stays NaN, and a variance that rounding made negative is 0."""
    return math.sqrt(max(float(second_moment), 0.0))


def _fixed_rms(q: float) -> str:
    return "any (every size is kept)" if math.isnan(q) else number(_root(q))


def _layers(scale: float) -> str:
    return "unlimited" if math.isinf(scale) else f"{number(scale)} layers"


def _add_layers(page: Page, forecast: Forecast) -> None:
    page.add_heading("Layers, from input to output")
    shown = _evenly(len(forecast.layers))
    columns = _columns(forecast, shown, page.unicode)
    band = f"bands: {LEVEL:.0%} of initialisations"
    if forecast.seeds > 1:
        band += f"; of geometric means over {counted(forecast.seeds, 'seed')} in the columns 'mean'"
    if forecast.prediction.preactivation_band is not None:
        page.add_text(band, "dim")
    if page.width < NARROWEST_TABLE:
        _add_list(page, columns, len(shown))
    else:
        _add_table(page, columns, len(shown))
    if len(shown) < len(forecast.layers):
        layers = counted(len(forecast.layers), "layer")
        page.add_text(f"{len(shown)} of {layers} shown; --format json has all", "dim")
    page.add_text(_legend(columns), "dim")


def _legend(columns: dict[str, list[str]]) -> str:
    """What the columns hold; of draws there are no gains, since neighbours need not be joined."""
    legend = LEGEND if "z gain" in columns else DRAWN_LEGEND
    return legend + (DEAD if "dead" in columns else "")


def _evenly(count: int) -> list[int]:
    """Rows to show: all, or evenly spread ones with both ends."""
    if count <= MOST_ROWS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (MOST_ROWS - 1)) for i in range(MOST_ROWS)})


def _columns(forecast: Forecast, shown: Sequence[int], unicode: bool) -> dict[str, list[str]]:
    """Heading -> cells of the rows that are shown; columns without a figure are left out."""
    prediction = forecast.prediction
    names = [shortened(printable(forecast.layers[i].name), _LONGEST_NAME, unicode) for i in shown]
    figures = {
        "z": (prediction.preactivation_second_moment, number),
        "z gain": (prediction.forward_gain, ratio),
        "a": (prediction.activation_second_moment, number),
        "std a": (prediction.activation_variance, number),
        "delta": (prediction.delta_relative, number),
        "delta gain": (prediction.backward_gain, ratio),
        "kernel": (prediction.kernel_gradient_relative, number),
    }
    columns = {"layer": names}
    columns |= {
        key: [show(_root(values[i])) for i in shown]
        for key, (values, show) in figures.items()
        if not forecast.draws or np.isfinite(values).any()
    }
    dead = forecast.dead_on_batch
    if dead is not None and dead.any():
        columns["dead"] = [percent(dead[i]) if i < len(dead) else "" for i in shown]
    for seeds in sorted({1, forecast.seeds}):
        ends = limits(prediction, seeds)
        for key, name in (
            ("z band", "preactivation_second_moment"),
            ("delta band", "delta_relative"),
        ):
            if name in ends:
                heading = key if seeds == 1 else key.replace("band", "mean")
                columns[heading] = [_interval(ends[name], i) for i in shown]
    return columns


def _interval(ends: tuple[Floats, Floats], i: int) -> str:
    low, high = _root(ends[0][i]), _root(ends[1][i])
    if math.isnan(low) or low == high:
        return "-"
    return interval((low, high))


def _add_table(page: Page, columns: dict[str, list[str]], count: int) -> None:
    table = [
        Column(key, columns[key], right=key != "layer", priority=_PRIORITY[key])
        for key in _ORDER
        if key in columns
    ]
    add_table(page, lay_out(table, page.width), count)


def _add_list(page: Page, columns: dict[str, list[str]], count: int) -> None:
    """One item per layer, for narrow terminals."""
    for i in range(count):
        page.add_text(columns["layer"][i], "title")
        facts = [f"{key} {cells[i]}" for key, cells in columns.items() if key != "layer"]
        page.add_text(", ".join(facts), indent=2, hanging=2)
