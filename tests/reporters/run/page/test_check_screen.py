"""The page of a check: FAILED first, what differs, the old curve behind the new one."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest

from gradscope import api
from gradscope.gate.check import Check, Checked, CheckKind, Status
from gradscope.record import Action, Remedy
from gradscope.reporters import check_text
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import html
from gradscope.reporters.run.page.check_screen import check_screen
from gradscope.reporters.run.page.screen import Role, Screen, Tone
from tests.each_case import each_case
from tests.reporters.check import cases
from tests.reporters.run.test_html import Page

UPDATE = (Remedy(Action.UPDATE_BASELINE),)
MEASURED = {name: made[0] for name, made in cases.CASES.items() if made[0].record is not None}


def report_of(checked: Checked) -> Report:
    assert checked.record is not None
    assert checked.diagnosis is not None
    made = Report.from_diagnosis(checked.record, checked.diagnosis, checked.exit_code)
    return replace(made, checked=checked)


def screen_of(checked: Checked) -> Screen:
    return check_screen(checked, report_of(checked), ReportOptions(source=checked.source))


def page(checked: Checked) -> str:
    return html.render(report_of(checked), {})


def test_a_failed_check_says_so_first() -> None:
    """The network itself may be healthy: that comes after what failed."""
    healthy = replace(cases.failing(), record=cases.passing().record)
    healthy = replace(healthy, diagnosis=api.analyze(healthy.record).diagnosis)  # type: ignore[arg-type]
    text = Page(page(healthy)).text
    state = str(healthy.diagnosis.verdict)  # type: ignore[union-attr]
    order = ("Failed", "What differs: initialisation", "The checks", f"The network itself: {state}")
    positions = [text.index(words) for words in order]
    assert positions == sorted(positions)
    assert state.capitalize() not in text[: positions[-1]]


def test_what_where_and_what_to_do() -> None:
    made = screen_of(cases.failing())
    what, where, do = made.answers
    assert (made.tone, made.word, made.name) == (Tone.UNHEALTHY, "Failed", "deep_relu")
    assert made.facts == "3 of 5 checks failed"
    assert what.heading == "The gradient changed"
    assert what.number == "+10 %"
    assert "in hidden_12: 0.512 in the baseline, 0.563 now" in what.caption
    assert where.heading == "hidden_12 first"
    assert where.caption.startswith("10 of 13 layers. ")
    assert do.heading == "Undo the change"
    assert "model.initializer: he_normal -> lecun_normal and 1 more" in do.caption
    [command] = do.commands
    assert shlex.split(command.replace("\\\n", "")) == [
        *("gradscope", "baseline", "configs/deep_relu.yaml", "--update"),
    ]


def test_settings_of_the_command_line_stay_in_the_command() -> None:
    typed = replace(cases.failing(), overrides=("model.depth=3", "name=a b"))
    [command] = screen_of(typed).answers[2].commands
    assert shlex.split(command.replace("\\\n", ""))[3:] == [
        *("-s", "model.depth=3", "-s", "name=a b", "--update"),
    ]


def test_the_strip_is_full_where_nothing_changed() -> None:
    strip = screen_of(cases.failing()).answers[1].strip
    assert strip is not None
    shares = [cell.share for cell in strip.cells]
    assert shares[-1] == 1.0
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    # Half a decade of three per layer, from the last hidden layer back.
    assert shares[9:12] == pytest.approx([1 - 1.5 / 3, 1 - 1 / 3, 1 - 0.5 / 3])
    assert strip.ends == ("x1e-06", "x1")
    assert [cell.name for cell in strip.cells if cell.bad] == [f"hidden_{i}" for i in range(3, 13)]


def test_the_old_curve_is_behind_the_new_one() -> None:
    gradient, signal, *_ = screen_of(cases.failing()).plots
    assert (gradient.tab, signal.tab) == ("Gradient", "Signal")
    before, after = gradient.curves
    assert (before.role, after.role) == (Role.BASELINE, Role.MEASURED)
    assert before.low == tuple(value / 2 for value in before.values)
    assert after.values[0] == pytest.approx(5e-7)
    assert {gradient.names[i] for i in gradient.failing} == {f"hidden_{i}" for i in range(3, 13)}


def test_the_largest_difference_leads_where_two_checks_have_some() -> None:
    small, large = cases.difference("hidden_2", "weight"), cases.difference("hidden_1")
    large = replace(large, after=0.512e-6, effect="x1e-06")
    first = replace(cases.departed(), differences=(small,), layers=("hidden_2",))
    second = replace(first, kind=CheckKind.TRAINING, differences=(large,), layers=("hidden_1",))
    made = screen_of(replace(cases.failing(), checks=(first, second)))
    assert made.answers[0].number == "x1e-06"
    assert made.answers[1].heading == "hidden_1"


def test_what_came_of_the_gradient_is_in_the_table() -> None:
    weights = tuple(cases.difference(f"hidden_{i}", "weight") for i in range(12))
    gradients = tuple(
        replace(cases.difference(f"hidden_{i}"), after=0.512 * 10.0**-i) for i in range(1, 6)
    )
    check = replace(cases.departed(), differences=(*weights, *gradients))
    shown = check_text.shown_differences(check)
    assert len(shown) == check_text.MOST_ROWS
    assert shown[:5] == weights[:5]
    assert [item.layer for item in shown[5:]] == ["hidden_5", "hidden_4", "hidden_3"]


def test_a_detector_that_leads_has_its_number_and_its_remedy() -> None:
    base = cases.failing()
    alone = replace(base, checks=base.checks[-1:], curves=())
    what, _, do = screen_of(alone).answers
    assert what.heading == "The gradient vanishes"
    assert what.number == "1e-11"
    assert do.heading == "selu with lecun_normal"
    assert "-s model.activation=selu" in do.commands[0]


def test_a_budget_is_named() -> None:
    sentence = "0.12; allowed at least 0.5"
    check = Check(CheckKind.BUDGET, Status.FAILED, sentence, subject="min_accuracy")
    what, where, _ = screen_of(replace(cases.passing(), exit_code=1, checks=(check,))).answers
    assert what.heading == "expect.min_accuracy is not met"
    assert what.caption == sentence
    assert where.heading == "The whole network"


@pytest.mark.parametrize(
    ("checked", "tone", "word", "heading"),
    [
        (cases.passing, Tone.HEALTHY, "Passed", "As in the baseline"),
        (cases.inconclusive, Tone.INCONCLUSIVE, "Inconclusive", "The check cannot tell"),
        (cases.unheard, Tone.INCONCLUSIVE, "Inconclusive", "Nothing was checked"),
    ],
)
def test_the_other_outcomes(checked: object, tone: Tone, word: str, heading: str) -> None:
    made = screen_of(checked())  # type: ignore[operator]
    assert (made.tone, made.word, made.answers[0].heading) == (tone, word, heading)


def test_too_few_seeds_name_how_many() -> None:
    [command] = screen_of(cases.inconclusive()).answers[2].commands
    assert command.replace("\\\n ", "").split()[-3:] == ["--update", "--seeds", "24"]


@each_case("name", MEASURED)
def test_every_check_has_a_page_with_all_its_answers(name: str) -> None:
    checked = MEASURED[name]
    made = Page(page(checked))
    assert made.tags.count("script") in (0, 2), "its own and its data, where it has figures"
    assert checked.outcome.capitalize() in made.text[:300]
    for check in checked.checks if "nasty" not in name else ():
        assert check.sentence in made.text
        assert check.evidence in made.text
    assert not re.search(r"[\x00-\x08\x0e-\x1f\u202e\u2066\u200b]", page(checked))
