"""A sweep on stdout: as text, as ``sweep.json``, or as the table in CSV."""

from __future__ import annotations

import csv
import io

from gradscope.record.sweep_table import SweepTable, csv_lines
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.sweep.text import sweep_text


def render(table: SweepTable, form: str, options: ReportOptions) -> str:
    """The table in one of the forms text, json and csv."""
    if form == "json":
        return table.to_json()
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(csv_lines(table))
        return text.getvalue()
    return sweep_text(table, options)
