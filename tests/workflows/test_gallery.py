"""The gallery: every row of every paper holds, and theory in it is that of closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize

from gradscope.reporters.gallery.paper_figure import PaperFigure
from gradscope.reporters.gallery.text import markdown, text
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.gallery.measure import BEGIN, END, measure, write_page

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def figure_of() -> Callable[[str], PaperFigure]:
    made: dict[str, PaperFigure] = {}

    def figure(name: str) -> PaperFigure:
        if name not in made:
            made[name] = measure(name)
        return made[name]

    return figure


APART = frozenset(["geron_2022_selu", "geron_2022_batch_norm", "xiong_2020", "yang_2019"])
"""Papers that train, or whose networks take a minute to build: `make gallery` measures them, and
`tests/test_committed_reports.py` reads what it wrote."""

long = pytest.mark.long("builds many networks, a minute")
QUICK = ("glorot_2010", "he_2015")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else long)
        for name in sorted(set(PAPERS) - APART)
    ],
)
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


@long
def test_theory_is_that_of_klambauer_2017(figure_of: Callable[[str], PaperFigure]) -> None:
    lecun, small, dropout, he = figure_of("klambauer_2017").rows
    assert lecun.theory == pytest.approx(1.0, rel=1e-2)
    assert small.theory == pytest.approx(1.0, rel=1e-2)
    assert he.theory > 2.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    weights, q = weights / weights.sum(), 1.0
    for _ in range(200):  # E z^2 = E selu(z)^2 / 0.9: what dropout keeps is scaled up
        z = math.sqrt(q) * nodes
        negative = 1.6732632423543772 * np.expm1(np.minimum(z, 0.0))
        q = float(weights @ (1.0507009873554805 * np.where(z > 0, z, negative)) ** 2) / 0.9
    assert dropout.theory == pytest.approx(math.sqrt(q), rel=1e-2)


@long
def test_theory_is_that_of_pascanu_2013(figure_of: Callable[[str], PaperFigure]) -> None:
    """A SimpleRNN of numpy: 512 units, one orthogonal matrix for all fifty time steps.

    It has 64 features, whose share of z is the gallery's: of 4 it is not normal over the units, and
    the factor comes out at 0.765 to 0.77.
    """
    rng, units, steps = np.random.default_rng(0), 512, 50
    recurrent = 0.9 * np.linalg.qr(rng.standard_normal((units, units)))[0]
    kernel = rng.normal(0.0, math.sqrt(4 * 2 / (4 + 64) / 64), (64, units))
    h, states = np.zeros((64, units)), []
    for _ in range(steps):
        h = np.tanh(h @ recurrent + rng.standard_normal((64, 64)) @ kernel)
        states.append(h)
    delta, rms = rng.standard_normal((64, units)), []
    for h in states[::-1]:
        rms.insert(0, math.sqrt(np.mean(delta**2)))
        delta = (delta * (1.0 - h**2)) @ recurrent.T
    factor = (rms[10] / rms[39]) ** (1 / 29)
    bound, rate, _ = figure_of("pascanu_2013").rows
    assert rate.theory == pytest.approx(factor, rel=5e-3)
    assert bound.theory == pytest.approx(0.9**49)


@long
def test_theory_is_that_of_schoenholz_2017(figure_of: Callable[[str], PaperFigure]) -> None:
    """The critical variance by quadrature of its own: sigma_w^2 E sech^4 = 1 at the fixed point."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()

    def slope(variance: float) -> float:
        q = 1.0
        for _ in range(4000):
            q = variance * float(weights @ np.tanh(math.sqrt(q) * nodes) ** 2) + 0.05
        return variance * float(weights @ np.cosh(math.sqrt(q) * nodes) ** -4)

    *ends, critical = figure_of("schoenholz_2017").rows
    assert scipy.optimize.brentq(lambda v: slope(v) - 1.0, 1.5, 2.0) == pytest.approx(
        1.76, rel=2e-3
    )
    assert critical.theory == pytest.approx(1.76, rel=0.05), "interpolated"
    assert [row.theory for row in ends] == pytest.approx(
        [math.sqrt(slope(0.5)), math.sqrt(slope(3.0))], rel=0.01
    )


@long
def test_theory_is_that_of_de_2020(figure_of: Callable[[str], PaperFigure]) -> None:
    """Doubled at each of 15 blocks; and by chance: a network of numpy with 2,048 units."""
    branch, normed, plain, shortcut = figure_of("de_2020").rows
    assert branch.theory == plain.theory == pytest.approx(2.0**7.5)
    assert normed.theory == 1.0
    rng = np.random.default_rng(0)
    x = rng.standard_normal((256, 2048))
    square = 1.0
    for _ in range(1, 16):
        z = (x - x.mean(axis=0)) / x.std(axis=0)
        weights = rng.standard_normal((2048, 2048), dtype=np.float32) * math.sqrt(2 / 2048)
        x = x + np.maximum(z, 0) @ weights
        square *= 1.0 + float(np.mean(1.0 / x.var(axis=0)))
    assert shortcut.theory == pytest.approx(math.sqrt(square), rel=0.03)


@long
def test_theory_is_that_of_lu_2020(figure_of: Callable[[str], PaperFigure]) -> None:
    """Networks of numpy, a hundred times as many as the gallery has."""
    rng = np.random.default_rng(0)
    a = np.ones((15_000, 2))
    for _ in range(10):
        a = np.maximum(np.einsum("nij,nj->ni", rng.standard_normal((15_000, 2, 2)), a), 0.0)
    share = figure_of("lu_2020").rows[-1]
    assert share.theory == pytest.approx(float(np.mean(a == 0)), abs=0.005)
    dead = figure_of("lu_2020").rows[0]
    assert dead.theory == pytest.approx(float(np.mean((a == 0).all(axis=1))), abs=0.01)


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


def test_the_page_keeps_the_papers_that_are_not_measured_again(
    figure_of: Callable[[str], PaperFigure], tmp_path: Path
) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"# Page\n\n{BEGIN}\n{END}\n\nrest\n")
    he, glorot = figure_of("he_2015"), figure_of("glorot_2010")
    write_page([he, glorot], page)
    first = page.read_text()
    assert first.index(glorot.title) < first.index(he.title), "in the order of the names"
    write_page([replace(glorot, shows="Measured again.")], page)
    second = page.read_text()
    assert second == first.replace(glorot.shows, "Measured again.")
    assert second.endswith(f"{END}\n\nrest\n")
