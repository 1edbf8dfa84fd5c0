"""What follows from another finding has no advice of its own, in no form of a report."""

from __future__ import annotations

import re
from dataclasses import replace

from gradscope.gate.check import Check, CheckKind, Status
from gradscope.record import Verdict
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.report import Detail, ReportOptions
from gradscope.reporters.run import REPORTERS, html, result_json, summary
from gradscope.reporters.run.answer import lead
from tests.reporters.check import cases
from tests.reporters.run.page.test_check_screen import report_of
from tests.reporters.run.test_answer import sigmoid


def consequences() -> list[Verdict]:
    return lead.following(sigmoid())


def test_there_are_some() -> None:
    assert [verdict.code for verdict in consequences()] == ["GS602"]


def test_the_lists_of_checks_advise_for_the_root_only() -> None:
    codes = {verdict.code for verdict in consequences()}
    lines = {line.code: line for line in summary.verdict_lines(sigmoid())}
    assert "try" in {fact.label for fact in lines["GS101"].facts}
    for code in codes:
        assert "try" not in {fact.label for fact in lines[code].facts}
    items = result_json.result(sigmoid())["verdicts"]
    assert all(item["remedies"] == [] for item in items if item["caused_by"])


def test_the_terminal_and_the_page_advise_once() -> None:
    options = ReportOptions(width=200, source="net.yaml", detail=Detail(checks=True))
    text = REPORTERS["text"](sigmoid(), options)
    assert len(re.findall(r"(?m)^\s+try: ", text)) == 1
    assert len(re.findall(r"(?m)^\s+Try ", text)) == 1
    page = html.render(sigmoid(), {}, options)
    follows = page.partition('id="follows"')[2].partition("</details>")[0]
    assert "not learning" in follows
    assert "Try" not in follows
    assert page.count("<dt>try</dt>") == 1


def test_a_check_names_consequences_in_one_line() -> None:
    base = cases.failing()
    sentence = "The network does not learn."
    follower = Check(
        CheckKind.DETECTOR,
        Status.FAILED,
        sentence,
        "in 3 of 3 seeds",
        subject="not_learning",
        code="GS602",
        caused_by="GS101",
    )
    checked = replace(base, checks=(*base.checks, follower))
    text = CHECK_FORMS["text"]([checked], ReportOptions(width=100))
    assert "  ✗ follow from GS101: GS602 not_learning" in text.splitlines()
    assert text.count("Try: ") == 2, "to accept the change, and for GS101"
    alone = CHECK_FORMS["text"]([replace(checked, checks=(follower,))], ReportOptions(width=100))
    assert sentence in alone, "its cause is accepted by the baseline"
    for name in ("markdown", "junit", "json", "sarif", "github"):
        assert sentence in CHECK_FORMS[name]([checked], ReportOptions())
    cards = html.render(report_of(checked), {}).partition("The checks")[2].split('class="card')
    [card] = [card for card in cards if "GS602 not_learning" in card and "failed" in card]
    assert "<b>Try</b>" not in card
