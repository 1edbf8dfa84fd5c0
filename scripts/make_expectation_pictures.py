"""Draw docs/expectation/*.svg: the start of six networks beside the band and ledger of its draws.

Run it from the repository: ``python -m scripts.make_expectation_pictures [NAME ...]`` (it builds
and draws each network 32 times; the networks are those of `benchmarks.expectation.graphs`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

from benchmarks.expectation.graphs import GRAPHS
from gradscope import api
from gradscope.analyzer.curves.through_time import time_profiles
from gradscope.analyzer.theory import graph_causes, own_weights
from gradscope.analyzer.theory.drawn_expectation import log_band
from gradscope.analyzer.theory.drawn_profile import time_limits
from gradscope.record import Role, RunRecord, Trait
from gradscope.reporters.figures import rendering, style
from gradscope.reporters.layout.lines import shortened
from gradscope.reporters.run.expected_start import graph_sentences
from gradscope.theory.ledger import LedgerRow
from gradscope.theory.prediction import LEVEL

FOLDER = Path(__file__).parents[1] / "docs" / "expectation"
DRAWS = 32


def _doubled(model: Any) -> None:
    kernel = next(x for x in model.layers if x.name == "conv2d_3").kernel
    kernel.assign(2.0 * kernel)


PICTURES: dict[str, tuple[str, Callable[[Any], None] | None]] = {
    "pre_ln": ("pre_ln", None),
    "residual_50": ("residual_50", None),
    "unet": ("unet", None),
    "depthwise": ("depthwise", None),
    "doubled_kernel": ("cnn_gap", _doubled),
    "lstm": ("lstm", None),
}
"""File name -> the graph, and the fault that is planted into it."""


def record_of(name: str) -> RunRecord:
    """One step of the graph, its weights drawn again and again."""
    import keras

    graph, fault = PICTURES[name]
    build, data = GRAPHS[graph]
    keras.utils.clear_session()

    def built() -> Any:
        model = build()
        if fault is not None:
            fault(model)
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    training = {"steps": 1, "draws": DRAWS, "batch_size": 32, "probe_samples": 320}
    return api.run({"training": training, "seed": 1}, model=built, data=data())


def svg(record: RunRecord) -> bytes:
    """The picture of one record."""
    with rendering.settings():
        return rendering.rendered({"picture": _figure(record)})["picture.svg"]


def _figure(record: RunRecord) -> Figure:
    if record.recurrent_delta:
        return _loops(record)
    figure = style.new_figure(9.0, 8.4)
    signal, gradient, third = figure.subplots(3, 1)
    rows = [
        layer.index
        for layer in record.layers
        if layer.measured and (layer.role == Role.HIDDEN or Trait.SUM in layer.traits)
    ]
    last = record.layers[rows[-1]].name
    signal.set_title("Signal: rms of z, and of sums", loc="left")
    gradient.set_title(f"Gradient: rms of delta over that of {last}", loc="left")
    _profile(signal, record, rows, "preactivation_second_moment", None)
    _profile(gradient, record, rows, "delta_second_moment", rows[-1])
    if own_weights.off_layers(record):
        _own_weights(third, record)
    else:
        _ledger(third, record)
    return figure


def _loops(record: RunRecord) -> Figure:
    """Delta of each recurrent layer over its time steps."""
    profiles, limits = time_profiles(record), time_limits(record)
    figure = style.new_figure(9.0, 2.8 * len(profiles))
    panels = figure.subplots(len(profiles), 1, squeeze=False)[:, 0]
    for axes, profile in zip(panels, profiles, strict=True):
        drawn, own = limits[profile.layer.name], profile.relative[0]
        given = "its last state" if profile.only_last else "every state"
        title = f"{profile.layer.name}, which gives {given}: rms of dL/dh_t over its largest"
        axes.set_title(title, loc="left")
        steps = np.arange(len(own))
        label = f"{LEVEL:.0%} of initialisations, all time steps together"
        axes.fill_between(
            steps, drawn.low, drawn.high, color=style.BLACK, alpha=0.13, lw=0, label=label
        )
        centre = f"median of {DRAWS} draws"
        axes.plot(steps, drawn.centre, ":", lw=1.8, color=style.BLACK, label=centre)
        axes.plot(steps, own, "o-", ms=3, lw=1.0, color=style.BLUE, label="measured at this seed")
        style.log_axis(axes.yaxis, np.concatenate([drawn.low, drawn.high, own]))
        axes.set_xlabel("time step, as the layer reads them")
        axes.legend(loc="best", frameon=False)
    return figure


def _profile(
    axes: Axes, record: RunRecord, rows: list[int], name: str, reference: int | None
) -> None:
    assert record.draws is not None
    band = log_band(record.draws, name, rows, reference=reference)
    low, high = band.limits(level=LEVEL, comparisons=2 * len(rows))
    own = record.draws.figures[name][0]
    measured = own[rows] / (own[reference] if reference is not None else 1.0)
    positions = np.arange(len(rows))
    axes.fill_between(
        positions,
        np.sqrt(low),
        np.sqrt(high),
        color=style.BLACK,
        alpha=0.13,
        lw=0,
        label=f"{LEVEL:.0%} of initialisations, all layers together",
    )
    centre = np.exp(0.5 * band.centre)
    axes.plot(positions, centre, ":", lw=1.8, color=style.BLACK, label=f"median of {DRAWS} draws")
    size = 4 if len(rows) < 40 else 2
    label = "measured at this seed"
    axes.plot(positions, np.sqrt(measured), "o-", ms=size, lw=1.0, color=style.BLUE, label=label)
    style.log_axis(axes.yaxis, np.concatenate([centre, np.sqrt(measured)]))
    _ticks(axes, [record.layers[i].name for i in rows])
    axes.legend(loc="best", frameon=False)


def _ledger(axes: Axes, record: RunRecord) -> None:
    """Factors on the rms: of weights, of activations, and of norms, sums and the rest."""
    entries = graph_causes.entries_of(record)
    assert entries is not None
    rows = [row for row in entries.rows if row.given > 0 and row.fed > 0][:-1]
    positions = np.arange(len(rows))

    def bars(values: list[float], color: str, label: str, shift: float) -> None:
        heights = np.log2(np.sqrt(values))
        axes.bar(positions + shift, heights, 0.4, color=color, label=label)

    def weighted(row: LedgerRow) -> bool:
        return row.weights != 1.0

    bars([r.weights if weighted(r) else np.nan for r in rows], style.ORANGE, "weights", -0.2)
    acts = [r.activation if weighted(r) and np.isfinite(r.gaussian) else np.nan for r in rows]
    bars(acts, style.BLUE, "activation", 0.2)
    bars([np.nan if weighted(r) else r.gain for r in rows], style.GREEN, "norm, sum, other", 0.0)
    axes.axhline(0.0, color=style.BLACK, lw=0.8)
    ticks = axes.get_yticks()
    axes.set_yticks(ticks, labels=[f"x{2.0**tick:.3g}" for tick in ticks])
    axes.set_title("Ledger: by how much each layer multiplies the rms", loc="left")
    _ticks(axes, [row.name for row in rows])
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, ncols=3)


def _own_weights(axes: Axes, record: RunRecord) -> None:
    """Each layer's own weights over what their law gives: three witnesses with their bands."""
    ratios = own_weights.weight_ratios(record)
    names = list(dict.fromkeys(ratio.name for ratio in ratios))
    looks = ((style.ORANGE, "s"), (style.BLUE, "o"), (style.GREEN, "^"))
    words = ("size of the weights", "output, given the input", "what goes back, given what comes")
    for at, (witness, (color, marker)) in enumerate(zip(own_weights.Witness, looks, strict=True)):
        shown = [ratio for ratio in ratios if ratio.witness is witness]
        positions = np.array([names.index(ratio.name) for ratio in shown]) + 0.2 * (at - 1)
        low, high, own = (
            np.array([getattr(ratio, key) / ratio.expected for ratio in shown])
            for key in ("low", "high", "measured")
        )
        axes.vlines(positions, low, high, color=style.BLACK, alpha=0.18, lw=9)
        axes.plot(positions, own, marker, ms=6, color=color, label=words[at])
    axes.axhline(1.0, color=style.BLACK, lw=0.8)
    axes.set_yscale("log", base=2)
    axes.set_yticks([0.5, 1.0, 2.0], labels=["x0.5", "x1", "x2"])
    axes.minorticks_off()
    axes.set_ylim(top=4.0)  # room for the legend
    title = f"Local ratios: each layer's own weights over their law, with {LEVEL:.0%} of draws"
    axes.set_title(title, loc="left")
    _ticks(axes, names)
    axes.legend(loc="upper left", frameon=False, ncols=3)


def _ticks(axes: Axes, names: list[str]) -> None:
    shown = style.evenly(len(names), style.MOST_TICKS)
    axes.set_xticks(shown, labels=[shortened(names[i], 18, unicode=True) for i in shown])
    axes.tick_params(axis="x", labelrotation=60 if len(names) > 8 else 0)
    if len(names) > 8:
        for text in axes.get_xticklabels():
            text.set_horizontalalignment("right")
            text.set_rotation_mode("anchor")
    axes.set_xlim(-0.5, len(names) - 0.5)


def main() -> None:
    """Draw the pictures that are named, or all, and print what the report says of each."""
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        record = record_of(name)
        (FOLDER / f"{name}.svg").write_bytes(svg(record))
        print(name, *graph_sentences(record), sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
