"""Names that a terminal, a page or a table would obey are inert in every form of output."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from gradscope.reporters import export, run_list
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.report import BRIEF, Detail, ReportOptions
from gradscope.reporters.run import REPORTERS, html
from gradscope.reporters.run.notebook import notebook_html
from gradscope.reporters.run.saved_runs import SavedRun
from gradscope.reporters.survey import SURVEY_FORMS
from tests.each_case import each_case
from tests.reporters import fixtures
from tests.reporters.check import cases
from tests.reporters.check.cases import NASTY
from tests.reporters.test_hostile_sweep import OBEYED

OPTIONS = ReportOptions(width=80)
STRUCTURE = frozenset("\n\t")
"""The control characters that a form has for its own layout."""


def texts() -> Iterator[tuple[str, str]]:
    """Each form's name, and its text of what is hostile throughout."""
    report, layers = fixtures.nasty(), fixtures.nasty().record.layers
    for name, render in REPORTERS.items():
        for detail in (BRIEF, Detail(layers=True, checks=True)):
            yield f"run as {name}, {detail}", render(report, replace(OPTIONS, detail=detail))
    yield "page", html.render(report, {}, OPTIONS)
    yield "notebook", notebook_html(report)
    yield "export as csv", "".join(export.csv_texts(report.record))
    for name in CHECK_FORMS:
        yield f"check as {name}", CHECK_FORMS[name]([cases.nasty()], OPTIONS)
    for name in SURVEY_FORMS:
        yield f"layers as {name}", SURVEY_FORMS[name](NASTY, layers, OPTIONS)
    saved = SavedRun(Path("x"), datetime(2026, 1, 1, tzinfo=UTC), NASTY, overrides=(NASTY,))
    damaged = SavedRun(Path("x"), datetime(2026, 1, 1, tzinfo=UTC), damage=NASTY)
    for name, render_list in (("text", run_list.list_text), ("json", run_list.list_json)):
        yield f"list as {name}", render_list([saved, damaged], Path(NASTY), OPTIONS)


TEXTS = tuple(texts())


def test_every_form_is_there() -> None:
    assert len(TEXTS) >= 17


@each_case(("name", "text"), TEXTS)
def test_nothing_in_a_form_is_obeyed(name: str, text: str) -> None:
    text.encode("utf-8")
    obeyed = {character for character in OBEYED.findall(text) if character not in STRUCTURE}
    assert not obeyed, name
    if name in ("notebook", "check as markdown"):  # those of the page are in its own test
        assert "<script" not in text
    if name != "check as github":  # its lines are commands
        starts = [line.lstrip()[:3] for line in text.splitlines()]
        assert not [start for start in starts if start.startswith(("::", "##["))]


def test_the_junit_file_is_xml_and_says_what_was_said() -> None:
    root = ElementTree.fromstring(dict(TEXTS)["check as junit"])
    assert "\n::warning::second line" in "".join(root.itertext())


def test_no_cell_of_an_export_is_a_formula() -> None:
    rows = list(csv.reader(io.StringIO(dict(TEXTS)["export as csv"])))
    assert len({len(row) for row in rows}) == 1
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "@", "\t")]
