"""The table's figures are those of the record, and say where they come from."""

from dataclasses import replace

import numpy as np
import pytest

from gradscope.record import UnmeasuredReason
from gradscope.reporters.report import Report
from gradscope.reporters.run.tables.layer_notes import BRANCHES
from gradscope.reporters.run.tables.layer_table import layer_table
from tests.each_case import each_case
from tests.layers import layer_row, with_kind
from tests.reporters import fixtures


def test_a_profile_is_read_off_the_rms_of_the_last_quarter():
    report = fixtures.vanishing()
    table = layer_table(report)
    record = report.record
    window = slice(41 - 11, 41)
    first, second, last = table.weighted[0], table.weighted[1], table.weighted[19]
    moments = record.series["delta_second_moment"][window]
    expected = np.exp(np.mean(np.log(np.sqrt(moments[:, 1] / moments[:, 20]))))
    assert first.gradient == pytest.approx(expected, rel=1e-12)
    assert last.gradient == 1.0
    assert first.gradient_gain == pytest.approx(first.gradient / second.gradient)
    assert np.isnan(last.gradient_gain)
    signal = np.sqrt(record.series["preactivation_second_moment"][window, 2])
    assert second.signal == pytest.approx(np.exp(np.mean(np.log(signal))), rel=1e-12)
    assert second.signal_gain == pytest.approx(second.signal / first.signal)
    assert second.figures["update_ratio"] == pytest.approx(
        np.median(record.series["update_ratio"][window, 2])
    )
    assert "steps 30 to 40" in table.caption


def test_gains_multiply_out_to_the_profile():
    hidden = [row for row in layer_table(fixtures.vanishing()).rows if row.role == "hidden"]
    assert np.prod([row.gradient_gain for row in hidden[:-1]]) == pytest.approx(hidden[0].gradient)


def test_findings_stand_at_their_layers_only():
    rows = {row.name: row for row in layer_table(fixtures.vanishing()).rows}
    assert [mark.name for mark in rows["hidden_3"].marks] == [
        "vanishing gradient",
        "frozen layers",
    ]
    assert [mark.severity for mark in rows["hidden_3"].marks] == ["error", "warning"]
    assert rows["hidden_16"].marks == ()


def test_batch_norms_have_a_row_and_structure_is_counted():
    table = layer_table(fixtures.batch_norm())
    norms = [row for row in table.rows if row.role == "normalization"]
    assert len(norms) == 3
    assert "mean gap 0.3" in norms[0].note
    assert table.notes == (
        "4 layers without figures of their own: "
        "Flatten (computes nothing: the values pass unchanged); "
        "Activation x3 (measured as the activation of the layer before)",
    )


def test_a_network_that_branches_says_so_and_counts_what_has_no_row():
    layers = fixtures.network(3)
    layers[2] = replace(layers[2], activation="linear", main_path=False)
    for kind, reason in (
        ("Add", None),
        ("Add", None),
        ("ReLU", UnmeasuredReason.ACTIVATION_OF_LAYER),
        ("ReLU", UnmeasuredReason.ACTIVATION_OF_LAYER),
        ("Softmax", UnmeasuredReason.NOT_CALLED),
    ):
        index = len(layers)
        layers.append(
            layer_row(index, f"l{index}", kind, "structure", measured=not reason, reason=reason)
        )
    run = fixtures.record(layers)
    table = layer_table(Report(run, fixtures.diagnosis_of(run, "healthy"), None, 0))
    assert table.notes == (
        BRANCHES,
        "2 more layers measured, figures in result.json: Add x2",
        "4 layers without figures of their own: "
        "Flatten (computes nothing: the values pass unchanged); "
        "ReLU x2 (measured as the activation of the layer before); "
        "Softmax (not called in the forward pass)",
    )
    rows = {row.name: row for row in table.rows}
    assert np.isnan(
        [rows["hidden_2"].figures["dead_fraction"], rows["hidden_2"].figures["derivative_gain"]]
    ).all()
    assert np.isfinite(
        [rows["hidden_1"].figures["dead_fraction"], rows["hidden_1"].figures["derivative_gain"]]
    ).all()


def test_a_broken_run_shows_the_figures_before_it_broke():
    table = layer_table(fixtures.nonfinite())
    rows = {row.name: row for row in table.rows}
    assert "before the first non-finite value" in table.caption
    assert np.isfinite(rows["hidden_3"].signal)
    assert rows["hidden_3"].note == "non-finite since step 7"
    assert rows["hidden_1"].note == ""


def test_a_layer_that_was_not_measured_says_why():
    rows = {row.name: row for row in layer_table(fixtures.at_init()).rows}
    assert rows["hidden_2"].note == "not measured: its output has no fixed shape"
    assert np.isnan(rows["hidden_2"].signal)
    # The gradient's gain skips it: hidden_3 is the next layer that has a figure.
    assert rows["hidden_1"].gradient_gain == pytest.approx(rows["hidden_1"].gradient)


def test_dead_units_are_those_of_the_last_probe():
    report = fixtures.healthy()
    dead = report.record.series["dead_fraction"]
    dead[:] = np.nan
    dead[0], dead[5] = 0.1, 0.25
    assert layer_table(report).weighted[0].figures["dead_fraction"] == 0.25


def test_a_verdict_that_was_ignored_marks_no_layer():
    report = fixtures.vanishing()
    verdicts = tuple(replace(v, status="ignored") for v in report.diagnosis.verdicts)
    report = replace(report, diagnosis=replace(report.diagnosis, verdicts=verdicts))
    assert not any(row.marks for row in layer_table(report).rows)


@each_case("name", fixtures.REPORTS)
def test_every_report_has_a_table(name):
    report = fixtures.REPORTS[name]()
    table = layer_table(report)
    layers = [layer for layer in report.record.layers if layer.role in ("hidden", "output")]
    assert len(table.weighted) == len(layers)


def test_a_recurrent_layer_says_what_its_signal_is():
    layers = fixtures.network(3)
    layers[1:3] = [with_kind(row, "LSTM", activation="tanh") for row in layers[1:3]]
    run = fixtures.record(layers)
    notes = layer_table(Report(run, fixtures.diagnosis_of(run, "healthy"), None, 0)).notes
    assert notes[0].startswith("LSTM x2: the activation acts inside the loop, so the signal is")
    assert not [note for note in layer_table(fixtures.healthy()).notes if "loop" in note]


def test_the_band_is_that_of_step_0_and_of_each_quantity():
    table = layer_table(fixtures.banded())
    assert [row.band for row in table.weighted] == ["gradient out"] * 3 + ["signal out"] * 4
    assert "the expected 99% band at step 0" in table.legend
    report = fixtures.banded()
    report.record.series["preactivation_second_moment"][0, 3:5] = 4.0 * 1.21
    bands = [row.band for row in layer_table(report).weighted]
    assert bands[2:4] == ["both out", "signal out"]
    report.record.series["preactivation_second_moment"][1:] = 1e6
    assert [row.band for row in layer_table(report).weighted] == bands


def test_without_a_band_there_is_no_word_of_it():
    report = fixtures.banded()
    late = replace(report.record, steps=report.record.steps + 1)
    for other in (fixtures.vanishing(), replace(report, record=late)):
        table = layer_table(other)
        assert not table.banded
        assert "theory" not in table.legend
