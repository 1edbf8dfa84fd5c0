"""Names that a page, a terminal or a pull request would obey are inert in a comparison."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from gradscope.config.loading import load_config
from gradscope.gate.runs_compared import RunsCompared, Side, compare_runs
from gradscope.gate.sweeps_compared import SweepsCompared, compare_sweeps
from gradscope.record import RunRecord
from gradscope.reporters.compare import COMPARE_FORMS, profiles
from gradscope.reporters.report import ReportOptions
from gradscope.workflows.analysis import analyze
from tests.analyzer.synthetic import record
from tests.reporters.check.cases import NASTY
from tests.reporters.test_hostile_sweep import OBEYED, hostile_table, without_own_script

CONFIG = load_config({"name": "net", "model": {"depth": 8, "width": 100}}).to_dict()


def _hostile(record: RunRecord, setting: str) -> RunRecord:
    hidden = [{**layer, NASTY: setting} for layer in CONFIG["model"]["hidden_layers"]]
    layers = tuple(
        replace(layer, name=f"{NASTY}{layer.index}", activation=NASTY, initializer=NASTY)
        for layer in record.layers
    )
    return replace(
        record,
        name=NASTY,
        layers=layers,
        config={**CONFIG, "model": {**CONFIG["model"], "hidden_layers": hidden}, NASTY: setting},
        environment=replace(record.environment, platform=NASTY, device=NASTY),
    )


def _sides(names: tuple[str, ...]) -> RunsCompared:
    vanishing = record(8, delta=[10.0**-k for k in range(8, 0, -1)])
    records = [_hostile(record(8), NASTY), _hostile(vanishing, f"{NASTY} 2")]
    return compare_runs(
        [
            Side(name, (each,), (analyze(each).diagnosis,))
            for name, each in zip(names, records, strict=True)
        ]
    )


@pytest.fixture(scope="module")
def runs() -> RunsCompared:
    return _sides((NASTY, f"{NASTY} 2"))


@pytest.fixture(scope="module")
def sweeps() -> SweepsCompared:
    tables = [hostile_table(), hostile_table()]
    return compare_sweeps(tables, [NASTY, f"{NASTY} 2"], lambda *_: None)


@pytest.mark.parametrize("form", sorted(COMPARE_FORMS))
@pytest.mark.parametrize("kind", ["runs", "sweeps"])
def test_a_form_holds_nothing_that_is_obeyed(
    form: str, kind: str, request: pytest.FixtureRequest
) -> None:
    compared = request.getfixturevalue(kind)
    text = COMPARE_FORMS[form](compared, ReportOptions(width=80))
    text.encode()
    assert "red" in text  # the hostile name is shown
    assert not OBEYED.search(text)
    if form == "json":
        assert json.loads(text)["kind"] == kind
        return
    lines = text.splitlines()
    assert not [line for line in lines if line.lstrip().startswith("::")]
    if form == "html":
        text = without_own_script(text)
        assert "<script" not in text
        assert not re.search(r'(?:src|href)="[^"]*https?://(?!www\.w3\.org)', text)
    if form == "markdown":
        assert not re.search(r"(?<!\\)<", text)
        assert not re.search(r"(?<!\\)\]\(", text)
        assert "@team" not in text


def test_the_picture_is_drawn_and_inert(runs: RunsCompared) -> None:
    svg = profiles.files(runs)["profiles.svg"].decode()
    assert "<script" not in svg
    assert not OBEYED.search(svg)
