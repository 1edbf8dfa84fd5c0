"""The gallery: every row of every paper holds, and theory in it is that of closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from gradscope.reporters.gallery.paper_figure import PaperFigure
from gradscope.reporters.gallery.text import markdown, text
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.measure import measure

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def figure_of() -> Callable[[str], PaperFigure]:
    made: dict[str, PaperFigure] = {}

    def figure(name: str) -> PaperFigure:
        if name not in made:
            made[name] = measure(name)
        return made[name]

    return figure


@pytest.mark.parametrize("name", ["glorot_2010", "he_2015", "klambauer_2017"])
def test_every_row_holds(figure_of: Callable[[str], PaperFigure], name: str) -> None:
    figure = figure_of(name)
    assert figure.rows
    for row in figure.rows:
        assert row.holds, (row.what, row.low, row.measured, row.high)
    assert f"### {figure.title}" in markdown([figure])
    assert "✗" not in text(figure)


def test_theory_is_that_of_he_2015(figure_of: Callable[[str], PaperFigure]) -> None:
    """Half of the square at each of the layers between: 2 ** (-29 / 2) and 1."""
    by_name = {row.what.partition(":")[0]: row.theory for row in figure_of("he_2015").rows}
    assert by_name["xavier_22"] == pytest.approx(2 ** (-21 / 2), rel=1e-3)
    assert by_name["xavier_30"] == pytest.approx(2 ** (-29 / 2), rel=1e-3)
    assert by_name["he_30"] == pytest.approx(1.0, rel=1e-3)


def test_theory_is_that_of_klambauer_2017(figure_of: Callable[[str], PaperFigure]) -> None:
    lecun, small, he = figure_of("klambauer_2017").rows
    assert lecun.theory == pytest.approx(1.0, rel=1e-2)
    assert small.theory == pytest.approx(1.0, rel=1e-2)
    assert he.theory > 2.0


def test_a_figure_beyond_its_tolerance_does_not_hold(
    figure_of: Callable[[str], PaperFigure],
) -> None:
    figure = figure_of("he_2015")
    row = replace(figure.rows[0], measured=figure.rows[0].high * 1.01)
    assert not row.holds
    assert not replace(row, measured=math.nan).holds
    assert "**no**" in markdown([replace(figure, rows=(row,))])


def test_every_paper_says_what_it_is() -> None:
    assert len(PAPERS) >= 3
    for paper in PAPERS.values():
        assert paper.citation[-4:].isdigit() or "chapter" in paper.citation
        assert paper.shows.endswith(".")
        assert paper.networks
