"""The pictures of the gallery: nothing is cut off, and theory may have places of its own."""

from __future__ import annotations

import re

import pytest

from gradscope.reporters.gallery import picture
from gradscope.reporters.gallery.paper_figure import Curve, PaperFigure
from gradscope.workflows.gallery import PAPERS

HEIGHT, CHARACTER = 244.8, 5.0
"""Points: of a picture, and of a character at 9 points, at most."""


def figure(**changed: object) -> PaperFigure:
    curve = Curve("measured", (1.0, 2.0, 4.0), (1.0, 2.0, 4.0))
    values = {"name": "paper", "title": "", "citation": "", "shows": "", "differs": ""}
    values |= {"quantity": "rms of z", "rows": (), "curves": (curve,), "configs": {}, "seeds": 1}
    return PaperFigure(**(values | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PAPERS)
def test_the_words_at_an_axis_are_no_longer_than_the_axis(name: str) -> None:
    """A longer label runs out of the picture at both ends, where it is cut off."""
    assert len(PAPERS[name].quantity) * CHARACTER < HEIGHT
    assert "_" not in PAPERS[name].quantity + PAPERS[name].axis


def test_a_level_stands_in_the_picture_with_its_words() -> None:
    plain = picture.files(figure())["paper.svg"].decode()
    level = picture.files(figure(level=(2.0, "grows above")))["paper.svg"].decode()
    assert "grows above" in level
    assert "grows above" not in plain


def test_theory_is_drawn_at_its_own_places() -> None:
    """Twice the points of what was measured, between the same ends."""
    curve = Curve("m", (1.0, 4.0), (1.0, 2.0, 4.0), at=(1.0, 3.0), theory_at=(1.0, 2.0, 3.0))
    svg = picture.files(figure(curves=(curve,)))["paper.svg"].decode()
    lines = re.findall(r'<path d="(M[^"]*)"[^>]*stroke-dasharray[^>]*>', svg)
    dotted = [line for line in lines if line.count("L") == 2]
    assert dotted, "three points joined"
