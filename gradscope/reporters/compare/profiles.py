"""The profiles of several runs over depth in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradscope.gate.runs_compared import RunsCompared
from gradscope.reporters.figures import rendering
from gradscope.reporters.layout.lines import shortened
from gradscope.reporters.layout.sanitizing import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLES = {
    "signal": "Signal: rms of z",
    "delta": "Gradient: rms of delta over the reference layer's",
}
_MARKS = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#56B4E9", "v"))


def files(compared: RunsCompared) -> dict[str, bytes]:
    """``profiles.png`` and ``profiles.svg``."""
    return rendering.rendered({"profiles": draw(compared)})


def draw(compared: RunsCompared) -> Figure:
    """Signal and gradient over depth: full lines as drawn, dashed in the last quarter."""
    with rendering.settings():
        from gradscope.reporters.figures import style

        figure = style.new_figure(9.0, 6.4)
        panels: Any = figure.subplots(2, 1, squeeze=False, sharex=True)
        positions = np.arange(len(compared.layers))
        for axes, (quantity, title) in zip(panels[:, 0], _TITLES.items(), strict=True):
            axes.set_title(title, loc="left")
            shown = []
            for side, run in enumerate(compared.sides):
                color, marker = _MARKS[side % len(_MARKS)]
                name = shortened(printable(run.name), 28, unicode=True)
                for moment, dash, words in (("start", "-", "as drawn"), ("end", "--", "trained")):
                    values = np.array(
                        [layer.figures[f"{quantity}_{moment}"][side] for layer in compared.layers]
                    )
                    values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
                    if np.isfinite(values).any():
                        shown.append(values)
                        axes.plot(
                            positions,
                            values,
                            dash,
                            color=color,
                            marker=marker,
                            ms=3.5,
                            lw=1.2,
                            label=f"{name}, {words}",
                        )
            if not shown or not style.log_axis(axes.yaxis, np.concatenate(shown)):
                style.empty(axes, f"nothing to show: {style.MISSING}")
                continue
            axes.grid(axis="y", color="#dddddd", lw=0.6)
            axes.set_axisbelow(True)
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        ticks = style.evenly(len(positions), style.MOST_TICKS)
        names = [shortened(printable(compared.layers[i].name), 20, unicode=True) for i in ticks]
        axes.set_xticks(ticks, labels=names)
        if sum(map(len, names)) > 60:
            axes.tick_params(axis="x", labelrotation=60)
            for text in axes.get_xticklabels():
                text.set_horizontalalignment("right")
                text.set_rotation_mode("anchor")
        return figure
