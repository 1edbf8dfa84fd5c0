"""What a person sees of gradscope in Python and in a notebook."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

import gradscope
from gradscope import api
from gradscope.errors import BadRequest
from gradscope.gate.check import Checked
from gradscope.reporters.baseline import BaselineReport
from gradscope.workflows.notebook.results import CheckReport
from gradscope.workflows.notebook.run_report import RunReport
from tests.reporters import fixtures
from tests.reporters.check import cases

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
LONGEST = 200


@pytest.fixture(scope="module")
def report() -> RunReport:
    return api.analyze(api.load_record(EXAMPLES / "quickstart"))


def test_everything_public_is_listed() -> None:
    assert set(gradscope.__all__) == {"GradientFlow", "watch", *api.__all__}
    assert set(gradscope.__all__) <= set(dir(gradscope))
    assert not [name for name in dir(gradscope) if name in ("Any", "TYPE_CHECKING")]
    for name in api.__all__:
        assert getattr(gradscope, name).__doc__, name
    with pytest.raises(AttributeError, match="nothing"):
        gradscope.nothing  # noqa: B018


def test_listing_imports_nothing() -> None:
    program = "import gradscope, sys; dir(gradscope); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_objects_show_themselves_in_one_line(report: RunReport) -> None:
    record = report.record
    statistics = api.seed_statistics([record], 1)
    for thing, facts in (
        (record, (record.name, f"{len(record.layers)} layers", "complete")),
        (report, ("RunReport", record.name, "unhealthy", "GS101")),
        (report.diagnosis, ("unhealthy", "GS101")),
        (statistics, (record.name, "1 seeds", "1 trained")),
        (BaselineReport(Path("a.json"), statistics), ("a.json",)),
        (Checked("net", "net.yaml", 0, "fine"), ("net", "passed")),
    ):
        text = repr(thing)
        assert len(text) < LONGEST
        assert "\n" not in text
        for fact in facts:
            assert fact in text, text


def test_text(report: RunReport) -> None:
    assert "UNHEALTHY" in report.text()
    assert max(map(len, report.text(60).splitlines())) <= 60


def test_save(report: RunReport, tmp_path: Path) -> None:
    page = report.save(tmp_path / "here")
    assert page == tmp_path / "here" / "report.html"
    assert api.load_record(tmp_path / "here").name == report.record.name
    assert {path.name for path in page.parent.iterdir()} >= {"result.json", "depth_profile.png"}
    assert report.save(tmp_path / "here") == page, "its own report is replaced"
    (tmp_path / "loss.png").write_text("mine")
    with pytest.raises(BadRequest, match=r"loss\.png"):
        report.save(tmp_path)
    assert (tmp_path / "loss.png").read_text() == "mine"


def test_figure(report: RunReport) -> None:
    assert isinstance(report.figure(), Figure)
    assert isinstance(report.figure("loss"), Figure)
    with pytest.raises(BadRequest, match="deph_profile") as caught:
        report.figure("deph_profile")
    assert "depth_profile" in caught.value.remedy
    with pytest.raises(BadRequest, match="no recurrent layer"):
        report.figure("time_profile")


def test_a_notebook_shows_the_answer(report: RunReport) -> None:
    page = report._repr_html_()
    assert "UNHEALTHY" in page
    assert "<svg" in page
    assert not re.search(r"<script|<link|src=|url\((?!#)|@import", page), "self-contained"
    ElementTree.fromstring(page.replace("&nbsp;", " "))  # well-formed: nothing leaks out of it
    other = api.analyze(api.load_record(EXAMPLES / "notebook"))._repr_html_()
    ids = [set(re.findall(r' id="([^"]*)"', text)) for text in (page, other)]
    assert not ids[0] & ids[1], "two outputs on one page have no id in common"


def test_a_notebook_escapes_names() -> None:
    nasty = fixtures.nasty()
    page = RunReport(nasty.record, nasty.diagnosis, nasty.prediction, 0)._repr_html_()
    assert "<script" not in page
    ElementTree.fromstring(page)


def test_a_notebook_shows_what_the_command_prints() -> None:
    phase = EXAMPLES.parent.parent / "reports" / "phase_diagram.sweep"
    config = EXAMPLES.parent.parent / "configs" / "quickstart.yaml"
    checked = CheckReport.showing(replace(cases.failing(), headline="<script>&"))
    for thing, fact in (
        (checked, "FAILED"),
        (api.load_sweep(phase), "members"),
        (api.predict(config), "hidden_1"),
    ):
        page = thing._repr_html_()
        [pre] = [ElementTree.fromstring(page)]
        assert pre.text == thing.text()
        assert fact in thing.text()
        assert "<script" not in page
    assert isinstance(checked, Checked)
    assert CheckReport.showing(checked) is checked
