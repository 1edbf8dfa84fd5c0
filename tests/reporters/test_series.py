"""Numbers on request: `gradscope show` and `gradscope export`."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from gradscope.errors import BadRequest
from gradscope.record import tidy
from gradscope.reporters import export
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.series import series_text
from tests.analyzer.synthetic import record

RUN = record(3, delta=[0.1, 0.5, 1.0])
WIDE = ReportOptions(width=120)


def test_one_number_has_every_digit() -> None:
    text = series_text(RUN, layer="hidden_2", statistic="delta_second_moment", options=WIDE)
    assert float(text) == RUN.series["delta_second_moment"][-1, 2]
    assert text.count("\n") == 1


def test_a_series_has_a_line_for_each_step() -> None:
    text = series_text(RUN, statistic="loss", step="all", options=WIDE)
    lines = [line.split("\t") for line in text.splitlines()]
    assert [int(step) for step, _ in lines] == RUN.steps.tolist()
    assert [float(value) for _, value in lines] == RUN.scalars["loss"].tolist()


def test_a_layer_shows_each_statistic_at_its_last_measured_step() -> None:
    rows = [line.split() for line in series_text(RUN, layer="hidden_1", options=WIDE).splitlines()]
    shown = {name: (float(value), int(step)) for name, value, _, step in rows}
    for name, (value, step) in shown.items():
        if name in RUN.series:
            series = RUN.series[name][:, 1]
            at = int(np.flatnonzero(~np.isnan(series))[-1])
            assert (value, step) == (pytest.approx(series[at], rel=1e-5), RUN.steps[at])


def test_the_table_of_layers_drops_columns_where_it_is_narrow() -> None:
    wide = series_text(RUN, options=WIDE)
    assert "delta_rms" in wide and "dead_fraction" in wide
    assert "hidden_3" in wide and wide.startswith(f"step {RUN.steps[-1]}")
    narrow = series_text(RUN, options=ReportOptions(width=60))
    assert max(map(len, narrow.splitlines())) <= 60
    assert "no room at this width for" in narrow


@pytest.mark.parametrize("step", ["-1", "first", "1.5"])
def test_a_step_is_a_number(step: str) -> None:
    with pytest.raises(BadRequest, match="expected a number, last or all"):
        series_text(RUN, step=step, options=WIDE)


def test_a_table_shows_one_step() -> None:
    with pytest.raises(BadRequest, match="--step all shows one series"):
        series_text(RUN, step="all", options=WIDE)


def test_csv_is_read_back_as_it_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    export.write_csv(RUN, path)
    with path.open(newline="") as file:
        rows = [(int(s), layer, name, float(v)) for s, layer, name, v in list(csv.reader(file))[1:]]
    assert rows == [row for block in tidy.blocks(RUN) for row in block.rows()]


def test_parquet_is_read_back_as_it_was_measured(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "numbers.parquet"
    export.write_parquet(RUN, path, statistics=["delta_rms"])
    table = parquet.read_table(path)
    rows = list(zip(*(table[name].to_pylist() for name in export.COLUMNS), strict=True))
    chosen = tidy.blocks(RUN, statistics=["delta_rms"])
    assert rows == [row for block in chosen for row in block.rows()]


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="it is a folder"):
        export.write_csv(RUN, tmp_path)
