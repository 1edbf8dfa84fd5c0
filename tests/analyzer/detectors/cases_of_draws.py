"""The detector that holds a layer's weights against draws of its initializer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradscope.record import InitialDraws, RunRecord, Trait
from gradscope.record.initial_draws import (
    LAYER_FIGURES,
    MAP_FIGURES,
    WEIGHT_FIGURES,
    DrawnWeight,
    LinearMap,
    WeightDraw,
)
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.synthetic import DATA, geometric, network, record
from tests.layers import layer_row

DRAWS = 32
SCATTER = np.where(np.arange(DRAWS) % 2, 0.02, -0.02)[:, np.newaxis]
"""Logarithms of second moments over the draws: their mean is exactly 0."""


def drawn(
    sizes: Mapping[int, float] | None = None,
    forward: Mapping[int, float] | None = None,
    *,
    signal: float = 1.0,
    draws: int = DRAWS,
) -> RunRecord:
    """Five hidden layers with draws; `sizes` and `forward` are the model's own factors on the rms
    of a hidden layer's weights and of its output given its input."""
    made = record(5, signal=signal)
    hidden = [layer.index for layer in made.layers if layer.role == "hidden"]
    spread = np.exp(SCATTER[:draws])
    weights = np.repeat((1.0 + SCATTER[:draws] / 3.0) ** 3, 5, axis=1)  # cube roots have mean 1
    layers = np.repeat(spread, len(made.layers), axis=1)
    own = np.square([(sizes or {}).get(at, 1.0) for at in range(5)])
    given = own * np.square([(forward or {}).get(at, 1.0) for at in range(5)])
    ones = np.ones((1 + draws, 5))
    figures = {name: np.vstack([np.full(len(made.layers), signal**2), layers])
               for name in LAYER_FIGURES}  # fmt: skip
    figures |= dict.fromkeys(MAP_FIGURES, ones)
    figures["output"] = np.vstack([given, weights])
    figures["weight_second_moment"] = np.vstack([own, weights])
    figures["weight_mean"] = np.zeros_like(ones)
    names = [made.layers[at].name for at in hidden]
    return replace(
        made,
        draws=InitialDraws(
            figures,
            weights=tuple(DrawnWeight(f"{x}/kernel", (10, 10), WeightDraw.AS_MADE) for x in names),
            maps=tuple(LinearMap(index, (at,)) for at, index in enumerate(hidden)),
        ),
    )


def blocks(measured: float, designed: float, *, fed: float = 1.0) -> RunRecord:
    """Four residual blocks behind a Dense layer: the stream ends `measured` times as large as it
    starts, in a record whose draws give `designed`."""
    built = network([100] * 5)
    first, *branches, end = [layer for layer in built if layer.weighted]
    rows = [first]
    for at, branch in enumerate(branches):
        rows.append(replace(branch, main_path=False))
        rows.append(layer_row(0, f"sum_{at}", "Add", "structure", traits=(Trait.MERGE, Trait.SUM)))
    layers = tuple(replace(layer, index=at) for at, layer in enumerate([*rows, end]))
    stations = [layer.index for layer in layers if layer.main_path and layer.role != "output"]

    def profile(ratio: float) -> Any:
        values = np.ones(len(layers))
        values[stations] = geometric(ratio, len(stations))
        return values

    made = record(layers, data=replace(DATA, second_moment=fed**2))
    made.series["preactivation_second_moment"][:] = np.square(profile(measured))
    made.series["delta_second_moment"][:] = 1.0
    spread = np.exp(SCATTER) * np.ones(len(layers))
    own = np.square(profile(measured))
    given = np.vstack([own, spread * np.square(profile(designed))])
    figures = dict.fromkeys(LAYER_FIGURES[:2], given)
    figures["delta_second_moment"] = np.vstack([np.ones(len(layers)), spread])
    figures |= dict.fromkeys((*MAP_FIGURES, *WEIGHT_FIGURES), np.empty((1 + DRAWS, 0)))
    return replace(made, draws=InitialDraws(figures))


def designed() -> Iterator[Case]:
    """Residual blocks, whose start the draws predict."""
    case = partial(Case, "initializer_mismatch")
    yield case("healthy", "level_blocks", lambda: blocks(2.0, 2.0))
    yield case("healthy", "blocks_of_an_odd_seed", lambda: blocks(1e4, 2.0))
    yield case("healthy", "blocks_on_raw_pixels", lambda: blocks(1e4, 1e4, fed=200.0), "skipped")
    yield case("sick", "growing_blocks", lambda: blocks(1e4, 1e4), "error", (0, 40), None, 1e4)
    yield case("sick", "fading_blocks", lambda: blocks(1e-4, 1e-4), "error", (0, 40), None, 1e4)
    yield case("borderline", "blocks_inside", lambda: blocks(100.0 * INSIDE, 1e3))
    yield case("borderline", "blocks_outside", lambda: blocks(100.0 * OUTSIDE, 1e3), "error")


def departed() -> Iterator[Case]:
    case = partial(Case, "departed_weights")
    yield case("healthy", "as_drawn", drawn)
    yield case("healthy", "outside_by_nothing_that_matters", lambda: drawn({2: 1.1}))
    yield case("healthy", "nothing_drawn", lambda: record(5), "skipped")
    yield case("healthy", "one_draw", lambda: drawn(draws=1), "skipped")
    twice = ("hidden_3",)
    yield case("sick", "twice", lambda: drawn({2: 2.0}), "warning", (0, 40), twice, 2.0)
    yield case("sick", "half", lambda: drawn({2: 0.5}), "warning", (0, 40), twice, 2.0)
    none = ("hidden_2",)
    yield case("sick", "zero", lambda: drawn({1: 0.0}), "warning", (0, 40), none, np.inf)
    yield case("sick", "aligned", lambda: drawn(None, {2: 1.5}), "warning", (0, 40), twice, 1.5)
    loaded = dict.fromkeys(range(4), 3.0)
    yield case("sick", "loaded", lambda: drawn(loaded), "info", (0, 40), None, 3.0)
    yield case("sick", "this_seed", lambda: drawn(signal=4.0), "info")
    yield case("borderline", "just_inside", lambda: drawn({2: 1.2 * INSIDE}))
    yield case("borderline", "just_outside", lambda: drawn({2: 1.2 * OUTSIDE}), "warning")
