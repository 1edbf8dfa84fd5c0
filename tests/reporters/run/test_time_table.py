"""The strips over time: right heights, right words, and room at every width."""

import math
from dataclasses import replace

import pytest
from rich.cells import cell_len

from gradscope.reporters.report import Detail, ReportOptions
from gradscope.reporters.run import REPORTERS
from gradscope.reporters.run.html import render as page_of
from gradscope.reporters.run.time_table import TITLE, time_table
from tests.reporters import fixtures

ALL = Detail(layers=True, checks=True)


def render(report, *, width, color=False, unicode=True, files=()):
    options = ReportOptions(width, color, unicode, tuple(files), detail=ALL)
    return REPORTERS["text"](report, options)


def test_heights_are_places_on_one_log_axis_for_all_layers():
    table = time_table(fixtures.recurrent())
    first, second = table.rows
    # rms 0.5, then 1, on an axis of nine decades.
    assert first.heights[0] == pytest.approx(1 - math.log10(2) / 9)
    assert first.heights[1:] == (1.0,) * 11
    assert math.isnan(second.heights[0])
    assert second.heights[1:] == pytest.approx((0.0, *(place / 9 for place in range(10))))
    assert first.strip(60, unicode=True) == "█" * 12, "a level profile looks level"
    assert "log scale 1e-09 to 1e+00" in table.legend
    assert "!: no sample counts there" in table.legend


def test_the_words_hold_the_figures():
    first, second = time_table(fixtures.recurrent()).rows
    assert first.text.startswith("12 time steps: first 0.5, x")
    assert first.text.endswith(" per step back, gives every state")
    assert second.text == "12 time steps: first 0, x0.1 per step back"


def test_a_network_without_recurrent_layers_has_none():
    report = fixtures.healthy()
    assert time_table(report).rows == ()
    assert TITLE not in render(report, width=120, color=False, unicode=True)
    assert TITLE not in page_of(report, {})


def test_without_a_finite_figure_there_is_no_row():
    report = fixtures.recurrent()
    times = {name: values * math.nan for name, values in report.record.recurrent_delta.items()}
    assert (
        time_table(replace(report, record=replace(report.record, recurrent_delta=times))).rows == ()
    )


@pytest.mark.parametrize("width", [200, 120, 80, 60, 40, 20])
def test_a_strip_has_its_words_beside_or_below_it(width):
    lines = render(fixtures.recurrent(), width=width, color=False, unicode=True).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("memory_2 !"))
    strip = lines[at].split()[1]
    assert strip[-1] == "█"
    assert cell_len(strip) == min(12, max(width, 24) - len("memory_2 "))
    assert ("per step back" in lines[at]) == (width >= 120)
    assert "x0.1 per step back" in " ".join(" ".join(lines[at : at + 4]).split())


def test_ascii_strips():
    page = render(fixtures.recurrent(), width=80, color=False, unicode=False)
    assert "memory_2 !__.::-=++*#" in page


def test_the_page_shows_the_same_strip():
    source = page_of(fixtures.recurrent(), {})
    assert TITLE in source
    assert "!▁▁▂▃▃▄▅▆▆▇█" in source
    assert "12 time steps: first 0, x0.1 per step back" in source
