"""The table of weights: its figures, its folds, and how it looks at every width."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from gradscope.record import InitialWeight, RunRecord
from gradscope.reporters.report import Detail, ReportOptions
from gradscope.reporters.run import REPORTERS, html
from gradscope.reporters.run.tables.weight_table import WeightFold, weight_table
from gradscope.reporters.run.terminal.weight_lines import weight_text
from tests.reporters import fixtures


def weight(
    layer: str, shape: tuple[int, int], ratio: float = 1.0, **facts: object
) -> InitialWeight:
    """A kernel of glorot_uniform whose variance is `ratio` times what is promised."""
    variance = ratio * 2 / sum(shape)
    limit = math.sqrt(3 * variance)
    known = {
        "layer": layer,
        "weight": "kernel",
        "shape": shape,
        "dtype": "float32",
        "fan_in": shape[0],
        "fan_out": shape[1],
        "mean": 0.0,
        "variance": variance,
        "minimum": -0.999 * limit,
        "maximum": 0.998 * limit,
        "initializer": "glorot_uniform",
    }
    return InitialWeight(**known | facts)  # type: ignore[arg-type]


def record(depth: int = 2) -> RunRecord:
    made = fixtures.record(fixtures.network(depth))
    hidden = [layer for layer in made.layers if layer.role == "hidden"]
    weights = [weight(layer.name, (layer.fan_in or 0, 100)) for layer in hidden]
    return replace(made, initial_weights=tuple(weights))


def test_the_figures_of_a_row() -> None:
    run = record()
    run.series["weight_variance"][:] = 2 / 884
    run.series["weight_variance"][-3:] = 3 / 884
    row = weight_table(run).rows[0]
    assert (row.name, row.initializer, row.count) == ("hidden_1", "glorot_uniform", 78_400)
    assert row.promised == row.variance == 2 / 884
    assert row.limit == pytest.approx(math.sqrt(6 / 884))
    assert row.reach == pytest.approx(0.999 * row.limit)
    assert row.ratio == 1.0
    # sd of the variance of n uniform draws: sqrt(0.8 / n); four figures at once, 1 % in all.
    reach = 3.02 * math.sqrt(0.8 / 78_400)
    assert (row.low, row.high) == (
        pytest.approx(1 - reach, abs=4e-4),
        pytest.approx(1 + reach, abs=4e-4),
    )
    assert row.now == pytest.approx(1.5)
    assert row.state == ""


def test_what_no_initializer_made_says_so() -> None:
    run = record()
    odd = weight("hidden_1", (784, 100), ratio=1.2)
    unknown = weight("hidden_2", (100, 100), initializer="Mine")
    text = weight_text(replace(run, initial_weights=(odd, unknown)), ReportOptions(width=100))
    assert "not as initialised: loaded, trained or assigned weights" in text
    assert "no initializer that the catalog has" in text
    rows = weight_table(replace(run, initial_weights=(odd, unknown))).rows
    assert rows[0].ratio == pytest.approx(1.2)
    assert math.isnan(rows[1].promised)
    assert math.isnan(rows[1].low)


def test_a_deep_network_is_folded_and_a_departure_is_not() -> None:
    run = record(40)
    weights = list(run.initial_weights)
    weights[20] = weight("hidden_21", (100, 100), ratio=1.3)
    entries = weight_table(replace(run, initial_weights=tuple(weights))).folded
    folds = [entry for entry in entries if isinstance(entry, WeightFold)]
    names = [entry.name for entry in entries if not isinstance(entry, WeightFold)]
    assert len(folds) == 2
    assert names == ["hidden_1", "hidden_2", "hidden_20", "hidden_21", "hidden_22", "hidden_40"]
    assert sum(len(fold.rows) for fold in folds) + len(names) == 40


def test_gamma_and_beta_of_the_last_measured_step() -> None:
    run = fixtures.record(fixtures.network(2, batch_norm=True))
    norms = [layer for layer in run.layers if layer.role == "normalization"]
    for name, value in (
        ("gamma_mean", 0.9),
        ("gamma_second_moment", 0.81),
        ("beta_second_moment", 0.04),
    ):
        run.series[f"batch_norm_{name}"][-2, norms[0].index] = value
    (row,) = weight_table(run).norms
    assert (row.name, row.gamma_mean) == (norms[0].name, 0.9)
    assert (row.gamma_rms, row.beta_rms) == (pytest.approx(0.9), pytest.approx(0.2))


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_every_width_shows_the_ratio_and_no_line_is_wider(width: int) -> None:
    text = weight_text(record(40), ReportOptions(width=width))
    assert "1.0000" in text
    words = max(len(word) for word in text.split())
    assert max(map(len, text.splitlines())) <= max(width, words)
    assert "Var w = 1 / ((fan_in + fan_out) / 2)" in re.sub(r"\s+", " ", text)


def test_an_empty_record_says_why() -> None:
    run = fixtures.record(fixtures.network(2))
    assert "no initial weights" in weight_text(run, ReportOptions())


def test_the_page_and_the_terminal_show_it() -> None:
    report = replace(fixtures.healthy(), record=record())
    page = html.render(report, {})
    assert "Weights before the first update" in page
    assert f'<td class="n">{78_400}</td>' in page
    text = REPORTERS["text"](report, ReportOptions(detail=Detail(layers=True)))
    assert "Weights before the first update" in text
    assert "Weights before the first update" not in REPORTERS["text"](report, ReportOptions())


def test_hostile_names_are_harmless() -> None:
    run = record()
    weights = tuple(replace(w, layer=run.layers[1].name) for w in run.initial_weights)
    hostile = replace(weights[0], weight="\x1b[31m<b>", initializer="\x1b]0;x\x07<script>")
    shown = replace(run, initial_weights=(hostile, weights[1]))
    assert "\x1b" not in weight_text(shown, ReportOptions(color=False))
    page = html.render(replace(fixtures.healthy(), record=shown), {})
    assert page.count("<script>") == 1, "its own alone"


def test_numbers_of_a_record_without_steps() -> None:
    run = record()
    empty = replace(
        run,
        steps=run.steps[:0],
        series={name: values[:0] for name, values in run.series.items()},
        scalars={name: values[:0] for name, values in run.scalars.items()},
    )
    assert all(math.isnan(row.now) for row in weight_table(empty).rows)
    assert np.isfinite([row.ratio for row in weight_table(empty).rows]).all()
