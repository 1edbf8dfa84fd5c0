"""Names that a page or a spreadsheet would obey are inert in what a sweep writes."""

from __future__ import annotations

import csv
import io
import re

from gradscope.record.sweep_table import Look, SweepAxis, SweepRow, SweepTable
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.page import policy
from gradscope.reporters.sweep import forms, page
from tests.reporters.check.cases import NASTY

OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal obeys, and what no UTF-8 file holds."""


def hostile_table() -> SweepTable:
    """A sweep of two members, every string of which is hostile."""
    labels = (NASTY, "=1+1")
    axes = (SweepAxis(NASTY, (NASTY,), labels),)
    rows = tuple(
        SweepRow((label,), {NASTY: label}, {"combination": number, "status": "complete"})
        for number, label in enumerate(labels)
    )
    return SweepTable(NASTY, axes, "product", 1, Look.TRAINED, rows, NASTY)


def test_the_table_in_csv() -> None:
    text = forms.render(hostile_table(), "csv", ReportOptions(width=100))
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert "'=1+1" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t"))]
    assert not OBEYED.search(text)


def without_own_script(text: str) -> str:
    """A page without the one script and the JSON that it has itself."""
    bare = text.replace(f"<script>{policy.script()}</script>", "")
    assert bare != text
    data = re.compile(r'<script type="application/json" id="data">[^<]*</script>')
    without, count = data.subn("", bare)
    assert count == 1
    return without


def test_the_page() -> None:
    text = without_own_script(page.render(hostile_table(), {}))
    assert "<script" not in text
    assert not OBEYED.search(text)
