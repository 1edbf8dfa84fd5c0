"""What trackers get, read back by the tools themselves; each skips where its tool is missing."""

from __future__ import annotations

import io
import json
import string
import struct
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gradscope.cli.commands import report as report_command
from gradscope.cli.commands import run as run_command
from gradscope.errors import BadRequest, CouldNotMeasure
from gradscope.integrations import trackers
from gradscope.reporters.report import Report
from gradscope.reporters.run import folder
from gradscope.workflows import tracking
from gradscope.workflows.report_files.report_folder import WrittenReport
from gradscope.workflows.tracking import TRACKERS, Tracker
from tests.reporters import fixtures

LIGHT = """
import sys
from gradscope.cli.commands.run import command
assert any(option.name == "tensorboard" for option in command.params)
assert not set(sys.modules) & {"numpy", "tensorboard", "mlflow", "wandb", "gradscope.record"}
"""


def written(report: Report, place: Path) -> WrittenReport:
    place.mkdir(parents=True)
    return WrittenReport(report, tuple(map(str, folder.write_pages(report, place))), place)


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    return written(fixtures.vanishing(), tmp_path_factory.mktemp("trackers") / "quickstart")


def test_every_file_is_a_tracker_and_an_option_of_run_and_report() -> None:
    files = {path.stem for path in Path(trackers.__file__).parent.glob("[!_]*.py")}
    assert files == set(TRACKERS) == {"mlflow", "tensorboard", "wandb"}
    for command in (run_command.command, report_command.command):
        assert files <= {option.name for option in command.params}
        text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
        for name, tracker in TRACKERS.items():
            assert f"--{name} {tracker.metavar}" in text


def test_the_options_import_no_tracker() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=60)


def test_a_missing_package_is_told_before_anything_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Tracker("X", "An absent tool.", "no_such_module", "no-such-package", lambda _, __: "")
    monkeypatch.setitem(TRACKERS._items, "absent", absent)
    with pytest.raises(BadRequest, match=r"--absent needs the package no-such-package") as caught:
        tracking.check_installed(["absent"])
    assert caught.value.remedy == "pip install no-such-package"


def test_a_tracker_that_fails_names_how_to_try_again(
    monkeypatch: pytest.MonkeyPatch, sick: WrittenReport
) -> None:
    def fail(_: WrittenReport, place: str) -> str:
        raise ConnectionError(f"no route to\n{place}")

    monkeypatch.setitem(TRACKERS._items, "broken", Tracker("X", "Broken.", "sys", "sys", fail))
    message = "--broken failed: ConnectionError: no route to there"
    with pytest.raises(CouldNotMeasure, match=message) as caught:
        tracking.track(sick, {"broken": "there"})
    assert f"gradscope report {sick.folder} --broken there" in caught.value.remedy


def test_points_are_the_series_of_the_record(sick: WrittenReport) -> None:
    record = sick.report.record
    values = {(p.step, p.name): p.value for p in tracking.points(sick.report)}
    first = next(layer.index for layer in record.layers if layer.name == "hidden_1")
    delta = np.sqrt(record.series["delta_second_moment"][:, first])
    assert [values[step, "delta_rms/hidden_1"] for step in record.steps.tolist()] == list(delta)
    assert values[40, "loss"] == record.scalars["loss"][-1]
    assert (0, "update_ratio/hidden_1") not in values, "no update at initialisation"
    assert all(np.isfinite(list(values.values())))


def test_a_run_without_a_step_has_no_points() -> None:
    assert list(tracking.points(fixtures.REPORTS["empty"]())) == []


@pytest.mark.tensorflow  # which TensorBoard's reader imports
def test_tensorboard_reads_it_back(sick: WrittenReport, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    told = tracking.track(sick, {"tensorboard": str(tmp_path)})
    assert told == [f"tensorboard: {tmp_path / 'quickstart'} (tensorboard --logdir {tmp_path})"]
    everything = {"scalars": 0, "histograms": 0, "images": 0, "tensors": 0}
    events = EventAccumulator(str(tmp_path / "quickstart"), size_guidance=everything)
    events.Reload()
    record = sick.report.record
    first = next(layer.index for layer in record.layers if layer.name == "hidden_1")

    read = events.Scalars("delta_rms/hidden_1")
    assert [event.step for event in read] == record.steps.tolist()
    expected = np.sqrt(record.series["delta_second_moment"][:, first])
    assert [event.value for event in read] == pytest.approx(list(expected), rel=1e-6)
    assert events.Scalars("loss")[-1].value == pytest.approx(record.scalars["loss"][-1], rel=1e-6)

    [histogram] = [
        event.histogram_value
        for event in events.Histograms("preactivation/hidden_1")
        if event.step == 0
    ]
    counts = record.histograms["preactivation"].counts[0, first]
    assert histogram.num == counts.sum()
    assert sum(histogram.bucket) == counts.sum()
    assert histogram.bucket_limit == sorted(histogram.bucket_limit)

    [image] = events.Images("depth_profile")
    with Image.open(io.BytesIO(image.encoded_image_string)) as picture:
        assert picture.size == (image.width, image.height)
        assert min(picture.size) > 200
    [report] = events.Tensors("report")
    text = tensor_util.make_ndarray(report.tensor_proto).item().decode()
    assert text.startswith("## ❌ gradscope: quickstart is unhealthy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TensorBoard's own copy of bleach
        from tensorboard import plugin_util

        shown = plugin_util.markdown_to_safe_html(text)
    assert shown.count("<table>") == 2, "layers and checks"
    assert "details" not in shown


def test_tensorboard_keeps_an_earlier_run(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    report = WrittenReport(fixtures.healthy())
    for name in ("healthy", "healthy-2"):
        [told] = tracking.track(report, {"tensorboard": str(tmp_path)})
        assert told.startswith(f"tensorboard: {tmp_path / name} ")
    assert [len(list(each.iterdir())) for each in sorted(tmp_path.iterdir())] == [1, 1]


@pytest.mark.parametrize("name", ["nonfinite", "partial", "empty", "recurrent", "nasty"])
def test_tensorboard_takes_every_report(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    report = fixtures.REPORTS[name]()
    [told] = tracking.track(WrittenReport(report), {"tensorboard": str(tmp_path)})
    [file] = tmp_path.rglob("events.*")
    assert file.stat().st_size > 100
    assert "\n" not in told
    assert file.parent.parent == tmp_path
    assert set(file.parent.name) <= set(string.ascii_letters + string.digits + "_.-")


def test_mlflow_has_the_run(
    sick: WrittenReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path / 'store'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tracking.track(sick, {"mlflow": "flow"})
    client = MlflowClient()
    experiment = client.get_experiment_by_name("flow")
    [run] = client.search_runs([experiment.experiment_id])
    record = sick.report.record
    assert run.data.tags["gradscope.verdict"] == "unhealthy"
    assert run.data.params["model.activation"] == str(record.config["model"]["activation"])
    loss = client.get_metric_history(run.info.run_id, "loss")
    by_step = {metric.step: metric.value for metric in loss}
    assert list(by_step) == record.steps.tolist()
    assert list(by_step.values()) == record.scalars["loss"].tolist()
    assert run.info.status == "FINISHED"
    names = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"report.html", "depth_profile.png"} <= names


def test_wandb_keeps_the_run_offline(
    sick: WrittenReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    tracking.track(sick, {"wandb": "flow"})
    [run] = tmp_path.glob("wandb/offline-run-*")
    [file] = run.glob("*.wandb")
    rows = wandb_rows(file)
    loss = [row["loss"] for row in rows if "loss" in row]
    assert loss == pytest.approx(sick.report.record.scalars["loss"].tolist())
    assert (run / "files" / "report.html").is_file()
    assert any(key.startswith("report/") for row in rows for key in row), "and among the charts"


def wandb_rows(file: Path) -> list[dict[str, float]]:
    """The history of an offline run: a log of LevelDB's form, whose records are W&B's messages."""
    from wandb.proto import wandb_internal_pb2

    rows = []
    for data in leveldb_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            items = record.history.item
            rows.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items})
    return rows


def leveldb_records(log: bytes) -> Iterator[bytes]:
    """The records of blocks of 32 KiB; a record may go on in the next block (types 2, 3, 4)."""
    at, block, header, parts = 7, 2**15, 7, b""
    while at + header <= len(log):
        if block - at % block < header:
            at += block - at % block
            continue
        length, kind = struct.unpack("<HB", log[at + 4 : at + header])
        at += header
        parts += log[at : at + length]
        at += length
        if kind in (1, 4):
            yield parts
            parts = b""
