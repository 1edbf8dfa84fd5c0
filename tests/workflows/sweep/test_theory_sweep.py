"""A sweep by theory alone against closed forms, and its table in every form."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradscope
from gradscope.errors import BadRequest
from gradscope.record.sweep_table import COLUMNS, SweepRow, SweepTable
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.sweep.layout import boundary_correlation, state_of
from gradscope.reporters.sweep.text import sweep_text

SCALES = (0.5, 1.0, 2.0, 3.0)
CONFIG: dict[str, Any] = {
    "name": "lines",
    "model": {
        "depth": 5,
        "width": 20,
        "activation": "relu",
        "initializer": {"name": "variance_scaling", "scale": 1.0, "mode": "fan_in"},
    },
    "data": {"name": "gaussian"},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> SweepTable:
    return gradscope.sweep(
        CONFIG,
        vary={"model.depth": [5, 20], "model.initializer.scale": SCALES},
        theory=True,
        output=tmp_path_factory.mktemp("lines"),
    )


def test_rates_of_relu_are_those_of_the_closed_form(table: SweepTable) -> None:
    """E phi^2 = q / 2 and E phi'^2 = 1 / 2: both second moments change by scale / 2 per layer."""
    for row in table.rows:
        rate = math.sqrt(float(row.values["model.initializer.scale"]) / 2.0)  # type: ignore[arg-type]
        depth = int(row.values["model.depth"])  # type: ignore[arg-type]
        assert row.number("theory_signal_per_layer") == pytest.approx(rate, rel=1e-9)
        assert row.number("theory_delta_per_layer") == pytest.approx(rate, rel=1e-9)
        assert row.number("theory_delta_ratio") == pytest.approx(rate ** (depth - 1), rel=1e-9)
        assert row.number("theory_chi_1") == pytest.approx(rate**2, rel=1e-9)
        assert len(row.profile.theory_delta) == depth
        assert math.isnan(row.number("test_accuracy"))


def test_each_member_has_what_predict_gives_for_its_config(table: SweepTable) -> None:
    row = table.rows[5]
    model = CONFIG["model"] | {
        "depth": row.values["model.depth"],
        "initializer": CONFIG["model"]["initializer"]
        | {"scale": row.values["model.initializer.scale"]},
    }
    forecast = gradscope.predict(CONFIG | {"model": model})
    expected = np.sqrt(forecast.prediction.preactivation_second_moment[:-1])
    assert row.profile.theory_signal == pytest.approx(tuple(expected), rel=1e-12)
    assert forecast.fixed_point is not None
    assert row.number("theory_trainable_depth") == forecast.fixed_point.trainable_depth


def test_the_table_comes_back_from_disk_as_it_was(table: SweepTable) -> None:
    assert table.folder is not None
    again = gradscope.load_sweep(table.folder)
    assert again.to_json() == table.to_json()
    assert again.axes == table.axes
    text = (table.folder / "sweep.json").read_text()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no strict JSON"))
    rows = list(csv.DictReader((table.folder / "table.csv").read_text().splitlines()))
    assert list(rows[0]) == list(table.columns)
    assert [float(row["theory_chi_1"]) for row in rows] == table.column("theory_chi_1")
    assert rows[0]["test_accuracy"] == ""


def test_infinite_scales_survive(table: SweepTable) -> None:
    """At scale 2 ReLU is critical: xi_c is infinite, which JSON has no number for."""
    assert table.folder is not None
    again = gradscope.load_sweep(table.folder)
    critical = [r for r in again.rows if r.values["model.initializer.scale"] == 2.0]
    assert all(math.isinf(row.number("theory_correlation_scale")) for row in critical)


def test_pandas_and_parquet_have_every_column(table: SweepTable) -> None:
    pandas = pytest.importorskip("pandas")
    frame = table.to_pandas()
    assert list(frame.columns) == list(table.columns)
    assert frame["theory_delta_per_layer"].dtype == np.float64
    assert frame["test_accuracy"].isna().all()
    assert table.folder is not None
    stored = pandas.read_parquet(table.folder / "table.parquet")
    assert stored["theory_chi_1"].tolist() == table.column("theory_chi_1")


def test_unknown_columns_and_folders_are_refused_with_the_nearest_name(table: SweepTable) -> None:
    with pytest.raises(BadRequest, match="did you mean 'test_accuracy'"):
        table.column("test_acuracy")
    with pytest.raises(BadRequest, match="there is no sweep"):
        gradscope.load_sweep("nowhere")


@pytest.mark.parametrize("width", [80, 60, 40])
def test_the_text_fits_a_terminal(table: SweepTable, width: int) -> None:
    text = sweep_text(table, ReportOptions(width=width, unicode=False))
    assert max(map(len, text.splitlines())) <= max(width, 60)
    assert "Sweep lines: 8 members, by theory alone" in text


def test_the_map_shows_the_state_of_each_cell(table: SweepTable) -> None:
    """6 xi_c of ReLU below scale 2 is 6 / |ln(scale / 2)|: 4.3 layers at 0.5, 8.7 at 1."""
    lines = sweep_text(table, ReportOptions(width=80, unicode=False)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.split() == ["0.5", "1", "2", "3"])
    assert lines[start + 1].split()[:3] == ["5", "x", "+"]
    assert lines[start + 2].split()[:4] == ["20", "x", "x", "+"]
    by_state = {state_of(row) for row in table.rows}
    assert by_state == {"within", "beyond"}


def test_pictures_and_page_are_written(table: SweepTable) -> None:
    assert table.folder is not None
    page = (table.folder / "report.html").read_text()
    assert "script-src &#39;sha256-" in page
    for name in ("heatmap", "verdicts", "profiles"):
        assert re.search(f'<figure class="picture[a-z ]*" id="{name}">', page)
        assert (table.folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (table.folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert "theory: trainable depth" in (table.folder / "heatmap.svg").read_text()


def test_every_column_says_what_it_holds() -> None:
    assert all(meaning and not meaning.endswith(".") for meaning in COLUMNS.values())


def test_accuracy_falls_along_theorys_boundary_in_the_committed_phase_diagram() -> None:
    """Trained tanh networks, depth x weight variance (Schoenholz et al. 2017)."""
    folder = Path(__file__).parents[3] / "reports" / "phase_diagram.sweep"
    stored = gradscope.load_sweep(folder)
    assert boundary_correlation(stored) > 0.85
    inside = [r for r in stored.rows if _margin(r) > 2.0]
    beyond = [r for r in stored.rows if _margin(r) < 0.5]
    assert min(r.number("test_accuracy") for r in inside) > max(
        r.number("test_accuracy") for r in beyond
    )


def _margin(row: SweepRow) -> float:
    return row.number("theory_trainable_depth") / row.number("hidden_layers")
