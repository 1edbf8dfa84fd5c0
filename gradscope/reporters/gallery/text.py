"""The table of a paper in a terminal, and the page of the gallery as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from gradscope.message_text import counted
from gradscope.reporters.gallery.paper_figure import PaperFigure, Row
from gradscope.reporters.layout.numbers import count, number

_HEADINGS = ("", "paper says", "theory says", "measured here", "accepted", "holds")


def text(figure: PaperFigure) -> str:
    """The statements of one paper as they stand in a terminal, one paragraph each."""
    lines = [f"{figure.title}: {figure.citation}", ""]
    for row in figure.rows:
        lines += [
            f"  {'✓' if row.holds else '✗'} {row.what}",
            f"      paper says     {row.paper}",
            f"      theory says    {_figure(row.theory, 'no figure')}",
            f"      measured here  {_figure(row.measured)} (accepted {_accepted(row)})",
        ]
    return "\n".join([*lines, ""])


def markdown(figures: Sequence[PaperFigure]) -> str:
    """All papers as one page: what each says, its picture and its table."""
    return "\n".join(line for figure in figures for line in _section(figure))


def _section(figure: PaperFigure) -> Iterator[str]:
    yield f"### {figure.title}"
    yield ""
    yield figure.shows
    yield ""
    yield f"![{figure.title}: {figure.quantity}](gallery/{figure.name}.svg)"
    yield ""
    yield f"| {' | '.join(_HEADINGS)} |"
    yield "|---|---|--:|--:|--:|---|"
    for row in figure.rows:
        cells = (
            row.what,
            row.paper,
            _figure(row.theory, "none"),
            _figure(row.measured),
            f"{_accepted(row)}: {row.basis}",
            "yes" if row.holds else "**no**",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    links = ", ".join(f"[{label}](gallery/{figure.name}.{label}.yaml)" for label in figure.configs)
    yield (
        f"{figure.citation}. {figure.differs} Geometric means over "
        f"{counted(figure.seeds, 'seed')}. Configs: {links}."
    )
    yield ""


def _accepted(row: Row) -> str:
    if row.low == row.high:
        return f"exactly {_figure(row.low)}"
    return f"{_figure(row.low)} to {_figure(row.high)}"


def _figure(value: float, missing: str = "-") -> str:
    """A figure; a large count with all its digits."""
    whole = math.isfinite(value) and value >= 10_000 and value == int(value)
    return count(int(value)) if whole else number(value, missing)
