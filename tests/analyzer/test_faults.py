"""A fault in a side computation costs its own lines, never the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gradscope.analyzer.diagnose import diagnose
from gradscope.analyzer.theory import causes, expectation
from gradscope.errors import BadRequest
from gradscope.record import AnswerScale, LossValues, ObjectiveStart, RunRecord, storage
from gradscope.record.fault import Fault, Faults
from gradscope.record.sample_geometry import sample_geometry
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS, folder, plots
from gradscope.theory.depth_recursion import predict
from tests.analyzer.synthetic import DATA, changed, network, over_time, record


def planted(*arguments: object, **options: object) -> None:
    raise ValueError("planted")


def report_of(made: RunRecord) -> Report:
    return Report.from_diagnosis(made, diagnose(made), 0)


def text(report: Report) -> str:
    return REPORTERS["text"](report, ReportOptions())


def vanishing() -> RunRecord:
    return record(delta=[1e-8, 1e-6, 1e-4, 1e-2, 1.0])


def test_a_fault_of_theory(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = {v.name: v.status for v in diagnose(vanishing()).verdicts}
    monkeypatch.setattr(expectation, "_predicted", planted)
    report = report_of(vanishing())
    assert {v.name: v.status for v in report.diagnosis.verdicts if v.status == "crashed"} == {}
    assert {v.name for v in report.diagnosis.verdicts} == set(sound)
    assert report.prediction is not None
    assert report.prediction.outside == "crashed (ValueError: planted)"
    assert [fault.computation for fault in report.faults] == ["theory"]
    assert "theory: crashed (ValueError: planted)" in text(report)
    assert report.diagnosis.codes[0] == "GS101"


def test_a_fault_of_a_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causes, "_profile_cause", planted)
    (finding,) = next(v for v in diagnose(vanishing()).verdicts if v.code == "GS101").findings
    assert "crashed (ValueError: planted)" in finding.cause_details
    assert not finding.remedies


def test_a_fault_of_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causes, "_smallest_change", planted)
    assert causes.smallest_change(record()) == ()


def test_a_fault_of_a_figure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from gradscope.reporters.figures import ridgelines

    monkeypatch.setattr(ridgelines, "ridgelines", planted)
    paths = folder.write_pages(report_of(record()), tmp_path)
    names = {path.name for path in paths}
    assert "histograms.svg" not in names
    assert {"report.html", "loss.svg", "gradient_heatmap.png"} <= names
    page = (tmp_path / "report.html").read_text()
    assert "figure histograms: crashed (ValueError: planted)" in page
    kept = (tmp_path / folder.FAULTS).read_text()
    assert "Traceback" in kept and "ValueError: planted" in kept
    folder.remove_pages(tmp_path)
    assert not (tmp_path / folder.FAULTS).exists()


def test_a_sound_report_keeps_no_faults(tmp_path: Path) -> None:
    report = report_of(record())
    assert report.faults == ()
    assert plots.files(report).faults == ()


def test_faults_of_the_measurement_are_in_the_record() -> None:
    faults = Faults()
    for _ in range(2):
        with faults.isolated("probe set"):
            raise ValueError("planted")
    with pytest.raises(BadRequest), faults.isolated("test set"):
        raise BadRequest("the user's own mistake")
    (fault,) = faults.collected
    assert fault.crashed == "crashed (ValueError: planted)"
    made = record(faults=faults.collected)
    again = storage.loads(storage.dumps(made))
    assert again.faults == (fault,)
    assert "probe set: crashed (ValueError: planted)" in text(report_of(again))


def test_a_sample_of_zeros_is_outside_theory() -> None:
    """XOR: the inputs are (0, 0), (0, 1), (1, 0), (1, 1)."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([0, 1, 1, 0])
    prediction = predict(
        network([4]),
        input_second_moment=0.5,
        batch_norm_epsilon=1e-3,
        batch_size=4,
        geometry=sample_geometry(x, y, classes=2, batch_size=4),
    )
    assert prediction.outside == "some samples are all zeros"
    biased = changed(network([4]), "hidden_1", use_bias=True, bias_initializer="random_normal")
    prediction = predict(
        biased,
        input_second_moment=0.5,
        batch_norm_epsilon=1e-3,
        batch_size=4,
        geometry=sample_geometry(x, y, classes=2, batch_size=4),
    )
    assert not prediction.outside
    assert np.isfinite(prediction.preactivation_second_moment).all()


def test_whole_numbers_are_named_as_such() -> None:
    from dataclasses import replace

    data = replace(DATA, second_moment=np.nan, minimum=0.0, maximum=255.0)
    assert expectation.expected(record(data=data)).outside == "the inputs are whole numbers"
    lost = replace(DATA, second_moment=np.nan, minimum=np.nan)
    assert expectation.expected(record(data=lost)).outside != "the inputs are whole numbers"


def raw(**more: object) -> RunRecord:
    from dataclasses import replace

    return record(data=replace(DATA, second_moment=116.0**2), **more)  # type: ignore[arg-type]


def test_unscaled_inputs_of_a_network_that_learns_are_a_warning() -> None:
    learns = np.linspace(2.3, 0.4, 41)
    diagnosis = diagnose(raw(loss=learns, accuracy=0.9))
    (finding,) = next(v for v in diagnosis.verdicts if v.code == "GS404").findings
    assert finding.severity == "warning"
    (finding,) = next(v for v in diagnose(raw()).verdicts if v.code == "GS404").findings
    assert finding.severity == "error"


def test_unscaled_inputs_yield_to_another_root() -> None:
    """An output layer that no gradient leaves is why such a network does not learn."""
    cut = over_time(41, (0, [0.0, 0.0, 1.0, 1.0, 1.0]))
    diagnosis = diagnose(raw(delta=cut))
    assert diagnosis.codes[0] == "GS103"
    (finding,) = next(v for v in diagnosis.verdicts if v.code == "GS404").findings
    assert finding.severity == "warning"


def test_unscaled_inputs_yield_to_nothing_that_they_bring() -> None:
    """What begins in training is their consequence, what was there at the start is not."""
    signal = over_time(41, (0, [1.0] * 5), (9, [1.0, 1.0, 1.0, 1e-5, 1e-6]))
    diagnosis = diagnose(raw(signal=signal))
    assert diagnosis.codes[0] == "GS404"
    vanished = next(v for v in diagnosis.verdicts if v.code == "GS201").findings[0]
    assert (vanished.severity, vanished.caused_by) == ("error", "GS404")
    at_start = diagnose(raw(signal=[1.0, 1e-2, 1e-4, 1e-6, 1e-8]))
    assert at_start.codes[0] == "GS201"


def test_a_sigmoid_network_that_raw_columns_saturate() -> None:
    """Units that are flat from the start are what such inputs bring, not another root."""
    layers = network([9, 9], activation="sigmoid")
    diagnosis = diagnose(raw(layers=layers, gain=0.01, steps=100))
    assert diagnosis.codes[0] == "GS404"
    assert diagnosis.verdict == "unhealthy"
    saturated = next(v for v in diagnosis.verdicts if v.code == "GS204").findings[0]
    assert (saturated.severity, saturated.caused_by) == ("error", "GS404")


def test_a_fault_has_one_line_of_reason() -> None:
    try:
        raise KeyError("first\nsecond")
    except KeyError as error:
        fault = Fault.from_exception("theory", error)
    assert "\n" not in fault.reason
    assert "test_faults" in fault.traceback


def test_a_saturated_network_that_learns_a_little_is_no_less_unscaled() -> None:
    """The loss is just below a constant answer's: the layers behind the first learn that much."""
    layers = network([9, 9], activation="sigmoid")
    little = np.linspace(2.3, 2.1, 101)
    sick = diagnose(raw(layers=layers, gain=0.01, steps=100, loss=little, accuracy=0.3))
    assert (sick.codes[0], sick.verdict) == ("GS404", "unhealthy")
    linear = diagnose(raw(layers=network([9, 9]), steps=100, loss=little, accuracy=0.3))
    assert linear.verdict == "warning"


def test_answers_that_raw_columns_saturate_are_no_fault_of_their_own() -> None:
    """P: where the network learns, unscaled inputs and what they saturate are warnings."""
    values, scale = LossValues(470.0, 0.0, 0.6), AnswerScale(400.0, saturated=0.95)
    facts = ObjectiveStart(values=values, scale=scale)
    falls = {"steps": 100, "loss": np.linspace(470, 1.8, 101), "accuracy": 0.4}
    learns = diagnose(raw(objective_start=facts, **falls))
    assert learns.verdict == "warning"
    assert learns.codes[0] == "GS404"
    stuck = diagnose(raw(objective_start=facts, steps=100, loss=np.linspace(470, 5.0, 101)))
    assert (stuck.verdict, stuck.codes[0]) == ("unhealthy", "GS404")
    scaled = diagnose(record(objective_start=facts, **falls))  # type: ignore[arg-type]
    assert (scaled.verdict, scaled.codes[0]) == ("unhealthy", "GS405")
