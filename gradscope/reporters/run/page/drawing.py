"""Draw a plot as SVG that one stylesheet colours, light and dark, at every width.

Positions across are in percent and curves in a stretched box whose strokes keep their width, so
that text and points have one size on a telephone and on a wide screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gradscope.reporters.layout.numbers import number, percent
from gradscope.reporters.run.page import row_drawing
from gradscope.reporters.run.page.row_drawing import across, markup
from gradscope.reporters.run.page.screen import TIMES, Curve, Limit, Plot, Role, RowPlot, Strip

HEIGHT = 290
"""Of a plot, in pixels, without the labels below it."""

_LEAST_DECADES = 1.4
_BELOW = 20
_LABEL = 0.56
"""Width of a label on a telephone, as a share of the plot."""

_CHARACTER = 0.0075
"""Width of a character, as a share of a plot of 900 pixels."""

_NARROW = 3.0
"""Width of the widest plot over that of one on a telephone, where a label takes that much more."""

_ENOUGH = 6.0
"""Pixels of room around a label that are enough: the first place that has them is taken."""

_DIAMOND = "M0-6 6 0 0 6-6 0z"
_LOWEST, _HIGHEST = -300.0, 300.0
_DENSE_DIAMOND = "M0-4 4 0 0 4-4 0z"
_MOST_DISCS = 100
"""Points that each have a mark: at 1000 pixels, 10 for each."""

_MOST_LARGE = 40
"""Points with a mark of full size: on a telephone 8 pixels for each."""

_MOST_INTERVALS = 4
"""Between the labels of an axis that is not logarithmic."""


@dataclass(frozen=True)
class Axis:
    """The values of a plot's lower and upper edge: exponents of ten on a log axis."""

    low: float
    high: float
    log: bool

    def at(self, value: float) -> float:
        """Pixels below the upper edge; zero on a log axis is at the lower edge."""
        position = value
        if self.log:
            position = math.log10(value) if value > 0 else self.low
        share = (position - self.low) / (self.high - self.low)
        return HEIGHT * (1.0 - min(1.0, max(0.0, share)))

    def ticks(self) -> list[float]:
        """The values to label, at most eight of them."""
        if not self.log:
            return self._round_ticks()
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        if self.high - self.low <= 3:
            exponents = [decade + math.log10(step) for decade in decades for step in (1, 2, 5)]
        else:
            stride = -(-len(decades) // 7)
            exponents = [float(decade) for decade in decades if decade % stride == 0]
        return [10.0**x for x in exponents if self.low - 1e-9 <= x <= self.high + 1e-9]

    def _round_ticks(self) -> list[float]:
        """Multiples of 1, 2, 2.5 or 5 times a power of ten, zero among them as 0."""
        least = (self.high - self.low) / _MOST_INTERVALS
        power = 10.0 ** math.floor(math.log10(least))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= least * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def axis_of(plot: Plot) -> Axis:
    """The axis that holds every curve and limit of the plot."""
    values = [value for curve in plot.curves for value in _all_values(curve)]
    values += [limit.value for limit in plot.limits if limit.crossed]
    finite = [value for value in values if math.isfinite(value)]
    if plot.share:
        return Axis(0.0, 1.0, False)
    if not plot.log:
        low, high = min([0.0, *finite]), max([*finite, 0.0])
        if finite and min(finite) > high / 2:  # a curve far above zero that hardly changes
            low = min(finite) - 0.25 * (high - min(finite))
        return Axis(low, high if high > low else low + 1.0, False)
    logs = [min(_HIGHEST, max(_LOWEST, math.log10(value))) for value in finite if value > 0]
    low, high = min(logs, default=-1.0), max(logs, default=0.0)
    middle, half = (low + high) / 2, max((high - low) / 2 * 1.06, _LEAST_DECADES / 2)
    return Axis(middle - half, middle + half, True)


def _all_values(curve: Curve) -> tuple[float, ...]:
    return (*curve.values, *curve.low, *curve.high)


def svg(plot: Plot | RowPlot) -> str:
    """The markup of the plot; every name in it is escaped."""
    if isinstance(plot, RowPlot):
        return row_drawing.svg(plot)
    axis = axis_of(plot)
    parts = [
        *_grid(plot, axis),
        *_zones(plot, axis),
        *(part for curve in plot.curves for part in _band(plot, curve, axis)),
        *(part for limit in plot.limits for part in _limit(limit, axis)),
        *(part for curve in plot.curves for part in _line(plot, curve, axis)),
        *_points(plot, axis),
        *_labels(plot, axis),
        *_ticks(plot),
        f'<line class="{"cursor" if plot.axis else "cross"}" y1="0" y2="{HEIGHT}"/>',
    ]
    name = markup(f"{plot.title}: {plot.definition}")
    return (
        f'<svg class="plot" role="img" tabindex="0" aria-label="{name}" '
        f'height="{HEIGHT + _BELOW}"{_scale(plot, axis)}>{"".join(parts)}</svg>'
    )


def _scale(plot: Plot, axis: Axis) -> str:
    """What the page's script needs to place a point: the axis, and the limit with its side."""
    limit = next((limit for limit in plot.limits if limit.crossed), None)
    side = ""
    if limit is not None and plot.failing and plot.frames:
        measured = next(c.values for c in plot.curves if c.role is Role.MEASURED)
        above = any(measured[i] > limit.value for i in plot.failing)
        side = f' data-limit="{limit.value!r}" data-side="{"above" if above else "below"}"'
    log = ' data-log=""' if axis.log else ""
    return f' data-height="{HEIGHT}" data-low="{axis.low!r}" data-high="{axis.high!r}"{log}{side}'


def _grid(plot: Plot, axis: Axis) -> Iterator[str]:
    zero = axis.log and any(value == 0 for curve in plot.curves for value in curve.values)
    positive = not axis.log or any(v > 0 for curve in plot.curves for v in _all_values(curve))
    for value in axis.ticks() if positive else ():
        y = axis.at(value)
        yield f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
        label = percent(value) if plot.share else number(float(f"{value:.3g}"))
        if not (zero and y > HEIGHT - 14):
            yield f'<text x="-10" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    if zero:
        yield f'<text x="-10" y="{HEIGHT + 4}" text-anchor="end">0</text>'


def _zones(plot: Plot, axis: Axis) -> Iterator[str]:
    """Shade where points fail: from the limit to the edge, over the failing positions."""
    crossed = next((limit for limit in plot.limits if limit.crossed), None)
    if crossed is None or not plot.failing or plot.axis:
        return
    count, y = len(plot.positions), axis.at(crossed.value)
    values = [curve.values for curve in plot.curves if curve.role is Role.MEASURED]
    above = any(run[i] > crossed.value for run in values for i in plot.failing)
    top, height = (0.0, y) if above else (y, HEIGHT - y)
    for first, last in runs(sorted(plot.failing)):
        width = (last - first + 1) / count
        yield (
            f'<rect class="zone" x="{across(first / count)}" width="{across(width)}" '
            f'y="{top:.1f}" height="{height:.1f}"/>'
        )


def runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of neighbours among ascending `indices`."""
    first = previous = None
    for index in indices:
        if previous is None or index != previous + 1:
            if first is not None and previous is not None:
                yield first, previous
            first = index
        previous = index
    if first is not None and previous is not None:
        yield first, previous


def _stretched(content: str) -> str:
    return (
        f'<svg width="100%" height="{HEIGHT}" viewBox="0 0 1000 {HEIGHT}" '
        f'preserveAspectRatio="none" overflow="visible">{content}</svg>'
    )


def _coordinates(
    plot: Plot, values: Sequence[float], axis: Axis
) -> Iterator[list[tuple[float, float]]]:
    """The points of each unbroken part of a curve; a log axis has no place for zero."""
    part: list[tuple[float, float]] = []
    for position, value in zip(plot.positions, values, strict=True):
        if math.isfinite(value) and not (axis.log and value <= 0):
            part.append((1000 * position, axis.at(value)))
        elif part:
            yield part
            part = []
    if part:
        yield part


def _band(plot: Plot, curve: Curve, axis: Axis) -> Iterator[str]:
    if not curve.low:
        return
    lows = list(_coordinates(plot, curve.low, axis))
    highs = list(_coordinates(plot, curve.high, axis))
    for low, high in zip(lows, highs, strict=False):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*low, *reversed(high)])
        yield _stretched(f'<polygon class="band {curve.role}" points="{points}"/>')


def _line(plot: Plot, curve: Curve, axis: Axis) -> Iterator[str]:
    for part in _coordinates(plot, curve.values, axis):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in part)
        yield _stretched(f'<polyline class="line {curve.role}" points="{points}"/>')


def _limit(limit: Limit, axis: Axis) -> Iterator[str]:
    y = axis.at(limit.value)
    if not limit.crossed and y in (0.0, float(HEIGHT)):
        return
    kind = "limit" if limit.crossed else "limit calm"
    yield f'<line class="{kind}" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'


def _limit_labels(plot: Plot, axis: Axis, taken: list[tuple[float, float]]) -> Iterator[str]:
    """The words of each limit at either end of its line, above it or below."""
    for limit in plot.limits:
        y = axis.at(limit.value)
        if not limit.crossed and y in (0.0, float(HEIGHT)):
            continue
        heights = [at for at in (y + 16, y - 6) if 10 <= at <= HEIGHT - 4]
        places = [(x, at) for x in (0.0, 1.0) for at in heights]
        x, y = max(places, key=lambda place: _room(plot, axis, taken, place, _LABEL))
        taken.append((x, y))
        anchor, inside = ("start", 6) if x == 0.0 else ("end", -6)
        yield (
            f'<text class="halo {"b" if limit.crossed else ""}" x="{across(x)}" dx="{inside}" '
            f'y="{y:.1f}" text-anchor="{anchor}">{markup(limit.label)}</text>'
        )


def _points(plot: Plot, axis: Axis) -> Iterator[str]:
    """A disc per measured point, a diamond for one that fails, with what a pointer reads."""
    for curve in plot.curves:
        if curve.role is not Role.MEASURED:
            continue
        discs, dense = len(plot.positions) <= _MOST_DISCS, len(plot.positions) > _MOST_LARGE
        shape, radius = (_DENSE_DIAMOND, 3) if dense or plot.axis else (_DIAMOND, 4.5)
        for i, (position, value) in enumerate(zip(plot.positions, curve.values, strict=True)):
            if not math.isfinite(value) or not (discs or i in plot.failing):
                continue
            at = f'x="{across(position)}" y="{axis.at(value):.1f}"'
            title = f"<title>{markup(_point_title(plot, i))}</title>"
            bad = i in plot.failing
            diamond = f'<path class="bad" d="{shape}">{title}</path>'
            disc = f'<circle class="good" r="{radius}">{title}</circle>'
            # A point that moves may fail at one step and not at another.
            both = f'<g class="{"is-bad" if bad else "is-good"}">{diamond}{disc}</g>'
            mark = both if plot.frames else diamond if bad else disc
            yield f'<svg class="point" data-i="{i}" {at} overflow="visible">{mark}</svg>'


def _point_title(plot: Plot, index: int) -> str:
    written = percent if plot.share else number
    unit = TIMES if plot.relative else ""
    figures = [
        f"{curve.label} {written(curve.values[index])}{unit}"
        for curve in plot.curves
        if math.isfinite(curve.values[index])
    ]
    return f"{plot.names[index]}: {', '.join(figures)}"


def _labels(plot: Plot, axis: Axis) -> Iterator[str]:
    """The words of limits and curves beside them, where no line and no other word is in the way."""
    taken: list[tuple[float, float]] = []
    yield from _limit_labels(plot, axis, taken)
    for order, curve in enumerate(plot.curves):
        finite = [i for i, value in enumerate(curve.values) if math.isfinite(value)]
        if not finite or not curve.label:
            continue
        width = min(_LABEL, len(curve.label) * _CHARACTER)
        places = _places(plot, axis, curve, finite, order)
        x, y = max(places, key=lambda place: _room(plot, axis, taken, place, width))
        away = 14.0 if y < HEIGHT / 2 else -14.0
        while any(abs(x - other) < _LABEL and abs(y - height) < 14 for other, height in taken):
            y += away
        taken.append((x, y))
        yield (
            f'<text class="halo {curve.role}" x="{across(x)}" y="{y:.1f}" '
            f'text-anchor="{"start" if x < 0.75 else "end"}" dx="8">{markup(curve.label)}</text>'
        )


def _places(
    plot: Plot, axis: Axis, curve: Curve, finite: Sequence[int], order: int
) -> list[tuple[float, float]]:
    """Places for a label, the preferred first: some points of the curve, above it and below."""
    shares = (0.16, 0.42, 0.68)
    above_first = curve.role in (Role.PROMISE, Role.BASELINE)
    offsets = (-10, 20, -24, 34) if above_first else (20, -10, 34, -24)
    places = []
    for share in (shares[order % 3], *shares, 0.05, 0.3, 0.55, 0.8, 0.95):
        index = finite[min(len(finite) - 1, int(share * len(finite)))]
        y = axis.at(curve.values[index])
        places += [(plot.positions[index], y + offset) for offset in offsets]
    return [(x, min(HEIGHT - 4.0, max(12.0, y))) for x, y in places]


def _room(
    plot: Plot,
    axis: Axis,
    taken: Sequence[tuple[float, float]],
    place: tuple[float, float],
    width: float,
) -> float:
    """Pixels between a label and what is nearest above or below it, at most `_ENOUGH`."""
    x, y = place
    left, right = (x, x + width) if x < 0.75 else (x - width, x)
    wide = min(_LABEL, _NARROW * width)
    span = (x, x + wide) if x < 0.75 else (x - wide, x)
    middle = y - 4.0
    gaps = [abs(y - other) - 4.0 for at, other in taken if abs(x - at) < max(width, _LABEL)]
    for curve in plot.curves:
        values = zip(plot.positions, curve.values, strict=True)
        known = [(p, axis.at(v)) for p, v in values if math.isfinite(v)]
        gaps += [abs(at - middle) - 6.0 for p, at in known if left <= p <= right]
        for first, second in pairwise(known):
            if _crosses(first, second, span, middle):
                gaps.append(-6.0)
    return min([_ENOUGH, *gaps])


def _crosses(
    first: tuple[float, float],
    second: tuple[float, float],
    span: tuple[float, float],
    height: float,
) -> bool:
    """Whether the line between two points passes a height within the span of a label."""
    (p, at), (q, next_at) = first, second
    if q <= span[0] or p >= span[1] or q <= p:
        return False
    ends = [at + (next_at - at) * (min(max(x, p), q) - p) / (q - p) for x in span]
    return min(ends) < height < max(ends)


def _ticks(plot: Plot) -> Iterator[str]:
    last = len(plot.positions) - 1
    at_ends = last > 5
    for index, label in plot.ticks:
        end = {0: ("start", "0"), last: ("end", "100%")}.get(index) if at_ends else None
        anchor, x = end or ("middle", across(plot.positions[index]))
        kind = "" if index in (0, last) else ' class="between"'
        yield (
            f'<text{kind} x="{x}" y="{HEIGHT + 16}" text-anchor="{anchor}">{markup(label)}</text>'
        )


def strip_svg(strip: Strip) -> str:
    """The strip: full colour where everything gets through, empty for nothing, bad runs framed."""
    count = len(strip.cells)
    cells = []
    for i, cell in enumerate(strip.cells):
        known = math.isfinite(cell.share)
        opacity = f' fill-opacity="{0.04 + 0.96 * cell.share:.2f}"' if known else ""
        gap = 0.2 if count <= 60 else 0.0
        cells.append(
            f'<rect class="{"cell" if known else "cell unknown"}" x="{across(i / count)}" '
            f'width="{across((1 - gap / 10) / count)}" height="100%"{opacity} '
            f'data-layer="{markup(cell.name)}">'
            f"<title>{markup(cell.text)}</title></rect>"
        )
    for first, last in runs([i for i, cell in enumerate(strip.cells) if cell.bad]):
        cells.append(
            f'<rect class="frame" x="{across(first / count)}" '
            f'width="{across((last - first + 1) / count)}" y="-4" height="52"/>'
        )
    label = markup(f"{strip.cells[0].text}; {strip.cells[-1].text}")
    return f'<svg class="strip" role="img" aria-label="{label}">{"".join(cells)}</svg>'
