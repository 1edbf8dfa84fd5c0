"""Draw docs/before_after.svg: signal and gradient of the quickstart, before and after its remedy.

Run it from the repository: ``python -m scripts.make_readme_picture`` (it trains both networks).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

os.environ["KERAS_BACKEND"] = "tensorflow"

from gradscope import api
from gradscope.record import Role, RunRecord
from gradscope.reporters.figures import rendering, style

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "before_after.svg"
REMEDY = ("model.activation=relu", "model.initializer=he_normal")


def svg(before: RunRecord, after: RunRecord) -> bytes:
    """The picture, of the last step of both runs."""
    with rendering.settings():
        return rendering.rendered({"picture": _figure(before, after)})["picture.svg"]


def _figure(before: RunRecord, after: RunRecord) -> Figure:
    figure = style.new_figure(9.0, 3.4)
    panels = figure.subplots(1, 2)
    titles = ("Signal: rms of z", "Gradient: rms of delta, relative to the last")
    for axes, quantity, title in zip(panels, ("signal", "gradient"), titles, strict=True):
        lines = []
        for record, color, marker, label in (
            (before, style.ORANGE, "o", "before: sigmoid, glorot_uniform"),
            (after, style.BLUE, "s", "after: relu, he_normal"),
        ):
            values = style.rms(record, quantity)[-1, list(record.indices(Role.HIDDEN))]
            accuracy = record.evaluation["test_accuracy"]
            axes.plot(
                np.arange(1, len(values) + 1),
                values,
                marker=marker,
                ms=4,
                lw=1.5,
                color=color,
                label=f"{label} (test accuracy {accuracy:.0%})",
            )
            lines.append(values)
        style.log_axis(axes.yaxis, np.concatenate(lines))
        axes.set_title(title, loc="left")
        axes.set_xlabel("hidden layer, from the input to the output")
        axes.set_xticks([1, 5, 10, 15, 20])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def main() -> None:
    """Train both networks and write the picture."""
    quickstart = ROOT / "configs" / "quickstart.yaml"
    before, after = (api.run(api.load_config(quickstart, changes)) for changes in ((), REMEDY))
    PICTURE.write_bytes(svg(before, after))


if __name__ == "__main__":
    main()
