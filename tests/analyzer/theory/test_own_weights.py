"""How often layers of few units are called off by chance, against squares drawn by numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.theory import own_weights
from gradscope.record import InitialDraws, RunRecord
from gradscope.record.initial_draws import LAYER_FIGURES, DrawnWeight, LinearMap, WeightDraw
from tests.analyzer.synthetic import record

LAYERS, DRAWS, UNITS = 6, 32, 3
MADE = record(LAYERS, steps=0)


def _drawn(squares: np.ndarray) -> RunRecord:
    """Layers whose output, given the input, has the mean square of `squares` [1 + draw, layer]."""
    ones = np.ones_like(squares)
    names = ("response", "mean_response", "input_delta", "delta_response")
    figures = dict.fromkeys(names, ones) | {"output": squares}
    figures |= {"weight_second_moment": ones, "weight_mean": 0.0 * ones}
    figures |= dict.fromkeys(LAYER_FIGURES, np.ones((len(squares), len(MADE.layers))))
    weights = tuple(DrawnWeight(f"{at}/w", (9, 9), WeightDraw.AS_MADE) for at in range(LAYERS))
    hidden = [layer.index for layer in MADE.layers if layer.role == "hidden"]
    maps = tuple(LinearMap(index, (at,)) for at, index in enumerate(hidden))
    return replace(MADE, draws=InitialDraws(figures, weights=weights, maps=maps))


def test_layers_of_three_units_are_off_as_seldom_as_asked() -> None:
    """1 % of the starts is asked for; bands of logarithms give 3 %, all of them too small."""
    rng = np.random.default_rng(5)
    starts = 800
    sides = {True: 0, False: 0}
    for _ in range(starts):
        squares = rng.chisquare(UNITS, size=(1 + DRAWS, LAYERS)) / UNITS
        for ratio in own_weights.off_layers(_drawn(squares))[:1]:
            sides[ratio.factor > 1.0] += 1
    assert sum(sides.values()) <= 14  # 8 expected, of which a third by the layers drawn here
    assert sides[False] <= 10


def test_twice_the_rms_of_many_units_is_seen_at_every_layer() -> None:
    rng = np.random.default_rng(6)
    squares = rng.chisquare(64, size=(1 + DRAWS, LAYERS)) / 64
    for at in range(LAYERS):
        changed = squares.copy()
        changed[0, at] *= 4.0
        off = own_weights.off_weights(_drawn(changed))
        assert off.names == (MADE.layers[_layer(at)].name,)
        assert off.ratios[0].factor == pytest.approx(2.0, rel=0.3)


def _layer(at: int) -> int:
    return [layer.index for layer in MADE.layers if layer.role == "hidden"][at]


def test_a_ratio_just_outside_its_band_is_not_off() -> None:
    """By 15 % of half a band and no more, in logarithms."""
    rng = np.random.default_rng(7)
    squares = rng.chisquare(64, size=(1 + DRAWS, LAYERS)) / 64
    ratio = own_weights.weight_ratios(_drawn(squares))[LAYERS]  # the first one of an output
    assert ratio.witness is own_weights.Witness.FORWARD
    for end in (ratio.low, ratio.high):
        for beyond, off in ((1.1, False), (1.2, True)):
            changed = squares.copy()
            measured = ratio.expected * (end / ratio.expected) ** beyond
            changed[0, 0] = squares[0, 0] * (measured / ratio.measured) ** 2
            assert bool(own_weights.off_layers(_drawn(changed))) is off, (end, beyond)
    changed = squares.copy()
    changed[0, 0] = 0.0
    assert own_weights.off_layers(_drawn(changed))
