"""Names that a terminal, a page or a spreadsheet would obey are inert in comparisons and sweeps."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

from gradscope import api, load_record
from gradscope.gate.runs_compared import RunsCompared, Side, compare_runs
from gradscope.record import RunRecord
from gradscope.record.sweep_table import Look, SweepAxis, SweepRow, SweepTable
from gradscope.reporters import export
from gradscope.reporters.compare import COMPARE_FORMS
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.sweep import forms, page
from tests.cli.running import ROOT
from tests.each_case import each_case
from tests.reporters.check.cases import NASTY

OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal obeys, and what no UTF-8 file holds."""

HTML = re.compile(r"<script|<img|javascript:x\)?\"|href=\"https://evil", re.IGNORECASE)
OPTIONS = ReportOptions(width=100)


def hostile_table() -> SweepTable:
    """A sweep of two members, every string of which is hostile."""
    axes = (SweepAxis(NASTY, (NASTY,), (NASTY, "=1+1")),)
    rows = tuple(
        SweepRow(
            (label,),
            {NASTY: label},
            {"combination": number, "name": label, "status": "failed", "error": label},
        )
        for number, label in enumerate((NASTY, "=1+1"))
    )
    return SweepTable(NASTY, axes, "product", 1, Look.TRAINED, rows, NASTY)


def compared_records() -> list[RunRecord]:
    """Two records, the name and the first layer of which are hostile."""
    records = []
    for name, layer in ((NASTY, NASTY), (f"{NASTY} 2", "=1+1")):
        record = load_record(ROOT / "docs" / "examples" / "quickstart")
        first, *others = record.layers
        record = replace(record, name=name, layers=(replace(first, name=layer), *others))
        records.append(record)
    return records


def compared() -> RunsCompared:
    records = compared_records()
    return compare_runs([Side(r.name, (r,), (api.analyze(r).diagnosis,)) for r in records])


@each_case("form", sorted(COMPARE_FORMS))
def test_a_comparison(form: str) -> None:
    text = COMPARE_FORMS[form](compared(), OPTIONS)
    assert not OBEYED.search(text), OBEYED.search(text)
    if form == "json":
        assert NASTY in _strings(text)
    elif form != "text":
        assert not HTML.search(text)


def _strings(text: str) -> str:
    held: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            held.append(value)
        for item in value.values() if isinstance(value, dict) else ():
            collect(item)
        for item in value if isinstance(value, list) else ():
            collect(item)

    collect(json.loads(text))
    return "\n".join(held)


def test_a_layer_in_a_csv_file() -> None:
    record = compared_records()[1]
    rows = list(csv.reader(io.StringIO("".join(export.csv_texts(record)), newline="")))
    assert {row[1] for row in rows} >= {"'=1+1", record.layers[1].name}
    text = "".join(export.csv_texts(compared_records()[0], statistics=["activation_mean"]))
    assert not OBEYED.search(text)


@each_case("form", ("text", "json", "csv"))
def test_a_sweep(form: str) -> None:
    text = forms.render(hostile_table(), form, OPTIONS)
    if form == "csv":
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@", "\t"))]
    assert not OBEYED.search(text), OBEYED.search(text)


def test_the_page_of_a_sweep() -> None:
    text = page.render(hostile_table(), {})
    assert not HTML.search(text)
    assert not OBEYED.search(text)
