"""A check in a terminal, at every width: whole numbers, whole answers, nothing obeyed."""

from __future__ import annotations

import shlex
import unicodedata
from dataclasses import replace

import pytest
from rich.cells import cell_len

from gradscope.gate.check import Check, Checked, CheckKind, Status
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.report import ReportOptions
from tests.each_case import each_case
from tests.reporters.check import cases

WIDTHS = (120, 80, 60, 40)
TAME = [name for name in cases.CASES if "nasty" not in name]


def page(*checked: Checked, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    options = ReportOptions(width=width, color=color, unicode=unicode)
    return CHECK_FORMS["text"](checked, options)


def words(text: str) -> str:
    return " ".join(text.split())


@each_case("width", WIDTHS)
@each_case("name", TAME)
def test_every_answer_is_whole_at_every_width(name: str, width: int) -> None:
    checked = cases.CASES[name]
    text = page(*checked, width=width)
    told = words(text.replace(" \\\n", "\n")).replace(": inconclusive: ", ": ")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert max(map(cell_len, text.splitlines())) <= width
    for one in checked:
        assert f"{one.outcome.upper()}: " in told
        if len(checked) == 1 or one.exit_code:
            assert one.headline in told
            assert check_text.config_remedy(one) in told
            for check in one.checks:
                assert check.sentence in told
                assert check.evidence in told
                assert check_text.check_remedy(check, one) in told


def test_of_several_only_what_did_not_pass_is_told_in_full() -> None:
    text = page(*cases.everything())
    assert "the same draws on both sides" in page(cases.passing())
    assert "Files\n  baseline  configs/quickstart.baseline.json" not in text
    assert "PASSED: configs/quickstart.yaml" in text
    assert text.splitlines()[-1] == (
        "2 passed, 1 failed, 1 inconclusive, 1 not measured of 5 configs"
    )
    assert page(cases.passing(), cases.passing()).splitlines()[-1] == "2 passed of 2 configs"


@pytest.mark.parametrize("width", [120, 80])
def test_the_first_departures_in_a_table(width: int) -> None:
    lines = page(cases.failing(), width=width).splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("    figure"))
    assert lines[head].split("  ")[-1] == "over the seeds"
    rows = lines[head + 1 : head + 9]
    assert [row.split()[1] for row in rows] == [f"hidden_{i}" for i in range(12, 4, -1)]
    assert all(row.split()[2:5] == ["0.512", "0.563", "+10"] for row in rows)
    assert all(row.endswith("+9.9 % to +10 %") for row in rows)
    assert lines[head + 9].strip() == "and 2 more layers"


def test_a_narrow_page_lists_the_departures_with_their_interval() -> None:
    told = words(page(cases.failing(), width=50))
    assert "delta of hidden_12: 0.512 -> 0.563, +10 % (+9.9 % to +10 % over the seeds)" in told


def test_a_long_name_gives_way_before_a_figure_does() -> None:
    check = replace(cases.departed(), differences=(cases.difference("encoder_block_2/" * 5),))
    text = page(replace(cases.failing(), checks=(check,)), width=80)
    row = next(line for line in text.splitlines() if line.endswith("+9.9 % to +10 %"))
    assert row.split()[2:6] == ["0.512", "0.563", "+10", "%"]
    assert "eb2/eb2/" in row


def test_theory_is_not_called_a_baseline() -> None:
    check = replace(cases.departed(), kind=CheckKind.THEORY)
    text = page(replace(cases.failing(), checks=(check,), changes=(), baseline=""))
    assert "layer theory now change" in words(text)
    assert "layer baseline" not in words(text)


def test_one_difference_is_shown_and_more_figures_of_one_layer_are_counted() -> None:
    one = cases.difference("hidden_1")
    alone = replace(cases.departed(), differences=(one,))
    assert "+9.9 % to +10 %" in page(replace(cases.failing(), checks=(alone,)))
    many = replace(cases.departed(), differences=(one,) * 10)
    assert "and 2 more figures of these layers" in page(replace(cases.failing(), checks=(many,)))


@each_case("color", [False, True])
@each_case("unicode", [False, True])
@each_case("name", ["nasty", "nasty_among_others"])
def test_nothing_is_obeyed(name: str, *, unicode: bool, color: bool) -> None:
    text = page(*cases.CASES[name], width=80, unicode=unicode, color=color)
    plain = text
    for code in ("0", "1", "2", "1;31", "31", "32", "33", "35", "36"):
        plain = plain.replace(f"\x1b[{code}m", "") if color else plain
    told = {unicodedata.category(c) for c in plain if c != "\n"}
    assert not told & {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
    assert unicode or text.isascii()
    assert "##[" not in text
    assert not [line for line in plain.splitlines() if line.lstrip().startswith("::")]
    assert "\\x1b[31mred" in plain


def test_skipped_is_said_and_does_not_look_passed() -> None:
    check = Check(CheckKind.TRAINING, Status.SKIPPED, "not trained: --at-init")
    text = page(replace(cases.passing(), checks=(check,)))
    assert "- training: skipped: not trained: --at-init" in text


@pytest.mark.parametrize("width", [120, 80, 50])
def test_the_old_curve_stands_above_the_new_one(width: int) -> None:
    """On one scale: twelve hidden layers, of which the first gets 1e-6 of what it did."""
    lines = page(cases.failing(), width=width).splitlines()
    [old] = [line for line in lines if line.startswith("  baseline ")][:1]
    [new] = [line for line in lines if line.startswith("  now ")]
    assert lines.index(new) == lines.index(old) + 1
    assert lines.index(old) < next(i for i, line in enumerate(lines) if "structure" in line)
    before, after = (line[11:].split()[0] for line in (old, new))
    assert len(before) == len(after) == min(40, width - 12)
    assert (before[0], after[0], after[-1]) == (before[-2], "▂", "█")
    assert list(after) == sorted(after)
    if width > 60:
        assert old.endswith("  0.5 to 1")
        assert new.endswith("  5e-07 to 1")


def test_a_check_that_passed_draws_no_curve() -> None:
    text = page(replace(cases.passing(), curves=cases.curves()))
    assert "  now " not in text


def test_a_remedy_is_printed_once_and_its_command_pastes() -> None:
    base = cases.failing()
    again = replace(cases.departed(), kind=CheckKind.TRAINING)
    typed = ("model.activation=sigmoid", "name=a name that is long enough to break the line")
    checked = replace(base, checks=(*base.checks, again), overrides=typed)
    lines = page(checked, width=80).splitlines()
    starts = [i for i, line in enumerate(lines) if line.strip().startswith("gradscope baseline")]
    assert len(starts) == 1
    command, at = lines[starts[0]].strip(), starts[0]
    while command.endswith("\\"):
        at += 1
        command = f"{command[:-1]}{lines[at].strip()}"
    assert shlex.split(command) == [
        *("gradscope", "baseline", "configs/deep_relu.yaml"),
        *("-s", typed[0], "-s", typed[1], "--update"),
    ]
