"""Runs and sweeps compared, from what is on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradscope.errors import BadRequest
from gradscope.gate.runs_compared import RunsCompared
from gradscope.gate.sweeps_compared import SweepsCompared
from gradscope.record import RunRecord, storage
from gradscope.record.sweep_table import Look, SweepAxis, SweepRow, SweepTable
from gradscope.reporters.compare import COMPARE_FORMS
from gradscope.reporters.report import ReportOptions
from gradscope.workflows.compare import compare

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
DEEP, SHALLOW = EXAMPLES / "quickstart", EXAMPLES / "notebook"


@pytest.fixture(scope="module")
def record() -> RunRecord:
    return storage.load(DEEP / "record.npz")


def changed(record: RunRecord, name: str, layer: int, factor: float) -> RunRecord:
    """The record with one layer's second moment multiplied."""
    series = {key: np.array(values) for key, values in record.series.items()}
    series[name][:, layer] *= factor
    return replace(record, series=series)


def test_a_run_against_itself_differs_in_nothing(record: RunRecord, tmp_path: Path) -> None:
    storage.save(record, tmp_path / "same.npz")
    compared = compare([DEEP, tmp_path / "same.npz"])
    assert isinstance(compared, RunsCompared)
    (against,) = compared.against
    assert against.changes == against.came == against.went == ()
    for layer in compared.layers:
        for first, second in layer.figures.values():
            assert first == second or (np.isnan(first) and np.isnan(second))
    statuses = {check.name: check.status for check in against.checks}
    assert statuses["structure"] == statuses["initialisation"] == "passed"


def test_ratios_are_those_of_the_change(record: RunRecord, tmp_path: Path) -> None:
    """A second moment times 4 is an rms times 2, in that layer and in no other."""
    storage.save(changed(record, "preactivation_second_moment", 3, 4.0), tmp_path / "b.npz")
    compared = compare([DEEP, tmp_path / "b.npz"])
    assert isinstance(compared, RunsCompared)
    name = record.layers[3].name
    for layer in compared.layers:
        first, second = layer.figures["signal_start"]
        assert second / first == pytest.approx(2.0 if layer.name == name else 1.0, rel=1e-12)
    check = next(c for c in compared.against[0].checks if c.name == "initialisation")
    assert check.status == "failed"
    assert [d.layer for d in check.differences if d.quantity == "signal"] == [name]
    assert next(d.effect for d in check.differences if d.quantity == "signal") == "x2"


def test_findings_and_config_that_differ_are_named() -> None:
    compared = compare([DEEP, SHALLOW])
    assert isinstance(compared, RunsCompared)
    (against,) = compared.against
    assert ("GS101", "vanishing_gradient") in against.went
    assert "hidden layers: 20 -> 2" in against.changes
    assert compared.layers[-1].name == "output"
    only_deep = compared.layers[10].figures["signal_start"]
    assert only_deep[0] > 0
    assert np.isnan(only_deep[1])


def test_a_third_run_is_compared_with_the_first(record: RunRecord, tmp_path: Path) -> None:
    storage.save(record, tmp_path / "same.npz")
    compared = compare([DEEP, SHALLOW, tmp_path / "same.npz"])
    assert isinstance(compared, RunsCompared)
    assert [one.name for one in compared.against] == ["notebook", "same.npz"]
    assert compared.against[1].changes == ()


@pytest.mark.parametrize("width", [80, 60])
def test_the_text_fits_and_names_what_matters(width: int) -> None:
    options = ReportOptions(width=width, unicode=False)
    text = COMPARE_FORMS["text"](compare([DEEP, SHALLOW]), options)
    assert max(map(len, text.splitlines())) <= width
    assert "went: GS101 vanishing gradient" in text
    assert "baseline" not in text


def test_every_form_holds_the_same_answer() -> None:
    compared = compare([DEEP, SHALLOW])
    forms = {name: form(compared, ReportOptions()) for name, form in COMPARE_FORMS.items()}
    assert set(forms) == {"text", "json", "markdown", "html"}
    content = json.loads(forms["json"], parse_constant=pytest.fail)
    assert {one["code"] for one in content["against"][0]["went"]} >= {"GS101"}
    assert content["layers"][0]["signal_start"][0] == pytest.approx(1.36, rel=0.01)
    assert "| hidden\\_1" in forms["markdown"] or "| hidden_1 |" in forms["markdown"]
    assert "<svg" in forms["html"]
    assert "script-src &#39;sha256-" in forms["html"]
    assert ">x" in forms["html"], "the layer that changed most, as a number"


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="nothing to compare with"):
        compare([DEEP])
    with pytest.raises(BadRequest, match="there is no report"):
        compare([DEEP, tmp_path / "gone"])
    write_sweep(tmp_path / "s", [0.5, 0.6])
    with pytest.raises(BadRequest, match="is no sweep, and another of them is"):
        compare([DEEP, tmp_path / "s"])


def write_sweep(folder: Path, accuracies: Sequence[float], verdict: str = "healthy") -> None:
    rows = tuple(
        SweepRow(
            (str(depth),),
            {"model.depth": depth},
            {
                "member": i + 1,
                "combination": i + 1,
                "seed": 1,
                "status": "complete",
                "verdict": verdict if depth == 5 else "healthy",
                "test_accuracy": accuracy,
            },
        )
        for i, (depth, accuracy) in enumerate(zip((5, 10), accuracies, strict=True))
    )
    axes = (SweepAxis("model.depth", ("model.depth",), ("5", "10")),)
    folder.mkdir()
    table = SweepTable("t", axes, "grid", 1, Look.TRAINED, rows, total=2)
    (folder / "sweep.json").write_text(table.to_json())


def test_sweeps_are_compared_combination_by_combination(tmp_path: Path) -> None:
    write_sweep(tmp_path / "a", [0.5, 0.6])
    write_sweep(tmp_path / "b", [0.25, 0.6], verdict="unhealthy")
    compared = compare([tmp_path / "a", tmp_path / "b"])
    assert isinstance(compared, SweepsCompared)
    (against,) = compared.against
    assert [c.changed for c in against.combinations] == [True, False]
    assert against.combinations[0].figures == (0.5, 0.25)
    assert against.combinations[0].not_tested == "the records are not there"
    text = COMPARE_FORMS["text"](compared, ReportOptions(width=80))
    assert "x0.5" in text
    assert "2 not tested: the records are not there" in text
