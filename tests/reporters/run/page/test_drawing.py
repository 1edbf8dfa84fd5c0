"""The figures as SVG: points where the values are, nothing obeyed, zero and gaps as they are."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from gradscope.reporters.run.page import drawing
from gradscope.reporters.run.page.screen import Cell, Curve, Limit, Plot, Role, Strip

NASTY = "<script>alert('x')</script>\x1b\"&"


def plot(*values: float, **settings: object) -> Plot:
    count = len(values)
    made = {
        "tab": "Gradient",
        "title": "t",
        "definition": "d",
        "positions": tuple((i + 0.5) / count for i in range(count)),
        "names": tuple(f"layer_{i}" for i in range(count)),
        "ticks": ((0, "layer_0"), (count - 1, f"layer_{count - 1}")),
        "curves": (Curve(Role.MEASURED, "measured", values),),
    }
    return Plot(**(made | settings))  # type: ignore[arg-type]


def marks(text: str) -> list[tuple[float, float, str]]:
    """Position across in percent, pixels from the top, and the kind of each point."""
    place = r'x="([\d.]+)%" y="([\d.]+)" overflow="visible"'
    pattern = rf'<svg class="point" data-i="\d+" {place}><(circle|path)'
    return [(float(x), float(y), kind) for x, y, kind in re.findall(pattern, text)]


def test_points_stand_where_a_log_axis_has_them() -> None:
    made = plot(1e-4, 1e-2, 1.0)
    axis = drawing.axis_of(made)
    for exponent, (x, y, kind) in zip((-4, -2, 0), marks(drawing.svg(made)), strict=True):
        share = (exponent - axis.low) / (axis.high - axis.low)
        assert y == pytest.approx(drawing.HEIGHT * (1 - share), abs=0.06)
        assert x == pytest.approx(100 * (exponent + 5) / 6, abs=0.01)
        assert kind == "circle"
    assert axis.low < -4 < 0 < axis.high


def test_shares_go_from_none_to_all() -> None:
    made = plot(0.0, 0.5, 1.0, log=False, share=True)
    assert [y for _, y, _ in marks(drawing.svg(made))] == [290.0, 145.0, 0.0]
    assert [tick * 4 for tick in drawing.axis_of(made).ticks()] == [0, 1, 2, 3, 4]
    assert ">25%</text>" in drawing.svg(made)


def test_a_failing_point_has_another_shape() -> None:
    text = drawing.svg(
        plot(1e-4, 1e-2, 1.0, failing=frozenset({0}), limits=(Limit(1e-3, "l", True),))
    )
    assert [kind for *_, kind in marks(text)] == ["path", "circle", "circle"]
    assert text.count('class="zone"') == 1


def test_a_gap_breaks_the_line_and_zero_is_at_the_edge() -> None:
    text = drawing.svg(plot(1.0, math.nan, 0.1, 0.2, 0.0))
    assert text.count("<polyline") == 2
    assert len(marks(text)) == 4
    assert marks(text)[-1][1] == drawing.HEIGHT
    assert f'y="{drawing.HEIGHT + 4}" text-anchor="end">0</text>' in text


@pytest.mark.parametrize("values", [(), (math.nan, math.nan), (math.inf, 1.0), (1e-320, 1e308)])
def test_every_value_can_be_drawn(values: tuple[float, ...]) -> None:
    if values:
        ElementTree.fromstring(drawing.svg(plot(*values)))
    assert drawing.axis_of(plot(*(values or (1.0,)))).high < math.inf


def test_old_and_new_are_told_apart_without_colour() -> None:
    band = {"low": (0.5, 0.5), "high": (2.0, 2.0)}
    curves = (
        Curve(Role.BASELINE, "baseline, 5 seeds", (1.0, 1.0), **band),
        Curve(Role.MEASURED, "now, 5 seeds", (1e-6, 1.0)),
    )
    text = drawing.svg(plot(1e-6, 1.0, curves=curves))
    assert text.index("band baseline") < text.index("line baseline") < text.index("line measured")
    assert ">baseline, 5 seeds</text>" in text
    assert ">now, 5 seeds</text>" in text


def test_names_are_text() -> None:
    made = plot(1.0, 2.0, title=NASTY, names=(NASTY, NASTY), ticks=((0, NASTY),))
    strip = Strip((Cell(NASTY, 0.5, True, NASTY), Cell(NASTY, math.nan, False, NASTY)), ("", ""))
    for text in (drawing.svg(made), drawing.strip_svg(strip)):
        root = ElementTree.fromstring(text)
        assert not list(root.iter("script"))
        assert "\x1b" not in text


def test_a_frame_per_run_of_bad_layers() -> None:
    assert list(drawing.runs([0, 1, 2, 5, 7, 8])) == [(0, 2), (5, 5), (7, 8)]
    assert list(drawing.runs([])) == []
    cells = tuple(Cell(str(i), i / 4, i in (0, 1, 3), str(i)) for i in range(4))
    text = drawing.strip_svg(Strip(cells, ("0", "3")))
    frames = re.findall(r'class="frame" x="([\d.]+)%" width="([\d.]+)%"', text)
    assert frames == [("0.00", "50.00"), ("75.00", "25.00")]


def test_a_curve_that_hardly_changes_fills_its_axis() -> None:
    flat = drawing.axis_of(plot(2.30, 2.31, 2.34, log=False))
    assert (flat.low, flat.high) == pytest.approx((2.29, 2.34))
    falling = drawing.axis_of(plot(2.3, 1.0, 0.2, log=False))
    assert (falling.low, falling.high) == (0.0, 2.3)
    constant = drawing.axis_of(plot(2.0, 2.0, log=False))
    assert constant.low < constant.high
    assert drawing.axis_of(plot(-1.0, 2.0, log=False)).low == -1.0


def test_labels_of_curves_that_lie_together_stand_apart() -> None:
    """At every height: those in the middle have to move away in one direction."""
    for height in (0.1, 0.45, 0.5, 0.55, 0.9):
        curves = tuple(Curve(Role.MEASURED, f"curve {i}", (height,)) for i in range(6))
        text = drawing.svg(plot(height, curves=curves, log=False, share=True))
        pattern = r'<text class="halo measured" x="[^"]+" y="([\d.-]+)"'
        at = [float(y) for y in re.findall(pattern, text)]
        assert len(at) == 6
        assert min(abs(a - b) for i, a in enumerate(at) for b in at[:i]) >= 13.9


def test_a_label_lies_on_no_line() -> None:
    """The curves of a check: the baseline's name above it, where the other curve runs."""
    count = 20
    low = tuple(10.0 ** (-i / 10) for i in range(count))
    for factor in (1.3, 1.6, 2.5):
        now = tuple(factor * value for value in low)
        curves = (Curve(Role.BASELINE, "baseline, 16 seeds", low), Curve(Role.MEASURED, "now", now))
        made = plot(*low, curves=curves)
        axis = drawing.axis_of(made)
        text = drawing.svg(made)
        for words, x, y in labels(text):
            middle = y - 4.0
            width = len(words) * 0.0075
            for curve in curves:
                near = [
                    axis.at(value)
                    for at, value in zip(made.positions, curve.values, strict=True)
                    if x <= at <= x + width
                ]
                assert near
                assert min(abs(at - middle) for at in near) >= 6.0, (factor, words)


def labels(text: str) -> list[tuple[str, float, float]]:
    """Words, position across and height of the names of curves that begin where they stand."""
    pattern = (
        r'<text class="halo \w+" x="([\d.]+)%" y="([\d.-]+)" text-anchor="start"[^>]*>([^<]+)<'
    )
    return [(words, float(x) / 100, float(y)) for x, y, words in re.findall(pattern, text)]


def test_an_axis_that_is_not_logarithmic_has_round_labels() -> None:
    """2, 2.5 and 3 between 1.86 and 3.53: not fifths of the way."""
    ticks = {low: drawing.Axis(low, high, False).ticks() for low, high in ((1.86, 3.53), (0, 2.3))}
    assert ticks == {1.86: [2.0, 2.5, 3.0, 3.5], 0: [0.0, 1.0, 2.0]}
    assert drawing.Axis(0.0, 1.0, False).ticks() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert drawing.Axis(-0.01, 0.03, False).ticks() == pytest.approx([-0.01, 0, 0.01, 0.02, 0.03])


def test_the_words_of_a_limit_stand_where_no_curve_is() -> None:
    """The curve runs along the limit at the left, and far below it at the right."""
    made = plot(2.0, 2.02, *[1.0] * 8, log=False, limits=(Limit(2.0, "limit 2", True),))
    assert re.search(r'x="100.00%" dx="-6" y="[^"]+" text-anchor="end">limit 2<', drawing.svg(made))


def test_nothing_but_zeros_has_no_scale() -> None:
    text = drawing.svg(plot(0.0, 0.0))
    assert text.count('class="grid"') == 0
    assert f'y="{drawing.HEIGHT + 4}" text-anchor="end">0</text>' in text
