"""Draw a figure of rows: a layer per row, its share over the steps from foot to top."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.run.page.screen import Row, RowPlot

_HEIGHT = 290
_TALLEST = 72.0
_BELOW = 20
_LONGEST_NAME = 14


def markup(text: str) -> str:
    """Text as it may stand in a page: nothing in it is obeyed."""
    return escape(printable(text))


def across(share: float) -> str:
    """A position from 0 to 1 as a percentage of the width."""
    return f"{100 * share:.2f}%"


def svg(plot: RowPlot) -> str:
    """The markup of the figure; every name in it is escaped."""
    step = min(_TALLEST, _HEIGHT / len(plot.rows))
    height = step * len(plot.rows)
    parts = [part for i, row in enumerate(plot.rows) for part in _row(plot, row, i * step, step)]
    parts += _ticks(plot, height)
    parts.append(f'<line class="cursor" x1="100%" x2="100%" y1="0" y2="{height:.1f}"/>')
    name = markup(f"{plot.title}: {plot.definition}")
    return (
        f'<svg class="plot rows" role="img" tabindex="0" aria-label="{name}" '
        f'height="{height + _BELOW:.1f}" data-row="{step:.3f}">{"".join(parts)}</svg>'
    )


def shortened(name: str) -> str:
    """A name of at most 14 characters: a longer one loses its middle."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _row(plot: RowPlot, row: Row, top: float, step: float) -> Iterator[str]:
    """Name, area and line of the row, and its newest share."""
    foot, tall = top + step - 1.0, step - 4.0
    points = [
        (1000 * position, foot - tall * value)
        for position, value in zip(plot.positions, row.values, strict=True)
        if math.isfinite(value)
    ]
    kind = " bad" if row.failing else ""
    mark = "\u2717 " if row.failing else ""
    newest = next((v for v in reversed(row.values) if math.isfinite(v)), math.nan)
    share = f"{newest:.0%}" if math.isfinite(newest) else "not measured"
    text = f"<title>{markup(row.name)}: {share} {markup(plot.verb)}</title>"
    y = f"{foot - 3:.1f}"
    yield f'<text class="name{kind}" x="-10" y="{y}" text-anchor="end">'
    yield f"{mark}{markup(shortened(row.name))}{text}</text>"
    yield f'<line class="grid" x1="0" x2="100%" y1="{foot:.1f}" y2="{foot:.1f}"/>'
    if points:
        line = " ".join(f"{x:.1f},{at:.1f}" for x, at in points)
        area = f"{points[0][0]:.1f},{foot:.1f} {line} {points[-1][0]:.1f},{foot:.1f}"
        yield (
            f'<svg width="100%" height="{_HEIGHT}" viewBox="0 0 1000 {_HEIGHT}" '
            f'preserveAspectRatio="none" overflow="visible">'
            f'<polygon class="area{kind}" points="{area}"/>'
            f'<polyline class="line{kind or " measured"}" points="{line}"/></svg>'
        )
    yield f'<text class="share{kind}" x="100%" dx="10" y="{y}">{share}</text>'


def _ticks(plot: RowPlot, height: float) -> Iterator[str]:
    last = len(plot.positions) - 1
    for index, label in plot.ticks:
        anchor = "end" if index == last else "start"
        x = "100%" if index == last else across(plot.positions[index])
        yield f'<text x="{x}" y="{height + 16:.1f}" text-anchor="{anchor}">{markup(label)}</text>'
