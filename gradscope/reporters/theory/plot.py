"""The figure of a forecast: signal and gradient over depth with their bands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradscope.errors import BadRequest
from gradscope.record.files import output_file
from gradscope.record.run_record import Floats
from gradscope.reporters.figures import rendering
from gradscope.reporters.layout.lines import shortened
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.theory_bands import limits
from gradscope.theory.forecast import Forecast
from gradscope.theory.prediction import LEVEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMS = (".png", ".svg")
_TITLES = {
    "preactivation_second_moment": "Signal: rms of z, what the activation receives",
    "delta_relative": "Gradient: rms of delta over that of the last hidden layer",
}


def check_name(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse a file that is neither PNG nor SVG, that cannot be written, or is one of `inputs`."""
    if path.suffix.lower() not in _FORMS:
        raise BadRequest(
            f"--plot {path}: expected a file that ends in .png or .svg, received "
            f"{path.suffix or 'no ending'}",
            f"for example --plot {Path(path.stem or 'theory').with_suffix('.png')}",
        )
    if path.parent.is_dir():
        output_file.check_outputs([path], inputs)


def save(forecast: Forecast, path: Path) -> None:
    """Draw the forecast into `path`; raises where it cannot be written."""
    check_name(path)
    content = rendering.rendered({"theory": draw(forecast)})[f"theory{path.suffix.lower()}"]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(
            f"--plot {path}: cannot be written: {error.strerror or error}",
            "give a file in a folder that you may write to",
        ) from error
    output_file.write(path, content)


def draw(forecast: Forecast) -> Figure:
    """Two log axes over the layers: the prediction, its band, and the band of a mean over seeds."""
    with rendering.settings():
        from gradscope.reporters.figures import style

        figure = style.new_figure(9.0, 7.0)
        panels: Any = figure.subplots(2, 1, squeeze=False, sharex=True)
        for axes, (name, title) in zip(panels[:, 0], _TITLES.items(), strict=True):
            axes.set_title(title, loc="left")
            _draw_panel(axes, forecast, name)
        return figure


def _draw_panel(axes: Any, forecast: Forecast, name: str) -> None:
    from gradscope.reporters.figures import style

    values = np.sqrt(np.asarray(getattr(forecast.prediction, name), dtype=np.float64))
    ends = {seeds: _rms_limits(forecast, seeds, name) for seeds in {1, forecast.seeds}}
    lines = [values, *(end for pair in ends.values() if pair is not None for end in pair)]
    if not len(values) or not style.log_axis(axes.yaxis, np.concatenate(lines)):
        style.empty(axes, "outside theory: nothing to show")
        return
    positions = np.arange(len(values))
    shades = {1: 0.18, forecast.seeds: 0.4 if forecast.seeds > 1 else 0.18}
    for seeds, pair in sorted(ends.items()):
        if pair is not None:
            label = f"{LEVEL:.0%} of seeds" if seeds == 1 else f"{LEVEL:.0%} of means over {seeds}"
            low, high = pair
            axes.fill_between(
                positions, low, high, color=style.BLUE, alpha=shades[seeds], lw=0, label=label
            )
    size = 4.0 if len(values) <= 40 else 2.0
    line = f"median of {forecast.draws} draws" if forecast.draws else "infinite width"
    axes.plot(positions, values, ":", marker="o", ms=size, color=style.BLACK, label=line)
    ticks = style.evenly(len(values), style.MOST_TICKS)
    names = [shortened(printable(forecast.layers[i].name), 16, unicode=True) for i in ticks]
    axes.set_xticks(ticks, labels=names)
    axes.tick_params(axis="x", labelrotation=60 if sum(map(len, names)) > 60 else 0)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    if forecast.outside:
        axes.set_xlabel("no band: outside theory, see the text")


def _rms_limits(forecast: Forecast, seeds: int, name: str) -> tuple[Floats, Floats] | None:
    """Both ends of the band of a second moment, as rms."""
    pair = limits(forecast.prediction, seeds).get(name)
    return None if pair is None else (np.sqrt(pair[0]), np.sqrt(pair[1]))
