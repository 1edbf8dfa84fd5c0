"""The strips over time: right heights, right words, and room at every width."""

import math
from dataclasses import replace

import numpy as np
import pytest
from rich.cells import cell_len

from gradscope.analyzer.theory.drawn_profile import time_limits
from gradscope.record import InitialDraws
from gradscope.record.initial_draws import LAYER_FIGURES, TIMES, WEIGHT_FIGURES
from gradscope.reporters.report import Detail, ReportOptions
from gradscope.reporters.run import REPORTERS
from gradscope.reporters.run.expected_start import draws_item, graph_sentences
from gradscope.reporters.run.html import render as page_of
from gradscope.reporters.run.tables.time_table import TITLE, time_table
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


def _drawn():
    """Both layers drawn eight times: the second gets e^-12 or e^-8 of the square at the first."""
    report = fixtures.recurrent()
    layers = len(report.record.layers)
    fade = np.array([[12.0, 8.0] * 4]).T * np.linspace(-1.0, 0.0, 12)
    both = np.hstack([np.zeros((8, 12)), fade])
    figures = {name: np.full((9, layers), math.nan) for name in LAYER_FIGURES}
    figures |= dict.fromkeys(WEIGHT_FIGURES, np.zeros((9, 0)))
    figures[TIMES] = np.exp(np.vstack([both[:1], both]))
    return replace(report, record=replace(report.record, draws=InitialDraws(figures)))


def test_what_the_draws_give_is_said_beside_it_with_its_band():
    """The centre of the rms is e^-5; its deviation is 1.07, and t(7) at 0.01 / 11 is 5.5."""
    report = _drawn()
    second = time_table(report).rows[1]
    assert "; draws, at the start: first 0.00674 (" in second.text
    drawn = time_limits(report.record)["memory_2"]
    assert np.log(drawn.centre) == pytest.approx(np.linspace(-5.0, 0.0, 12), abs=1e-9)
    reach = np.log(drawn.centre[0] / drawn.low[0])
    assert drawn.high[0] == drawn.high[-1] == 1.0  # of the largest nothing is more than all
    assert reach == pytest.approx(5.5 * np.sqrt(1.0 + 1.0 / 8.0) * 1.069, rel=0.01)
    assert drawn.low[-1] == 1.0
    [sentence] = [text for text in graph_sentences(report.record) if "time steps of" in text]
    assert sentence.startswith("Over the 12 time steps of memory_2 the gradient changes by x0.63")
    assert "what is read first gets 0.00674 of the largest" in sentence
    item = draws_item(report.record)
    assert [row["layer"] for row in item["through_time"]] == ["memory_1", "memory_2"]
    assert item["through_time"][1]["expected"][0] == pytest.approx(math.exp(-10.0))


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
