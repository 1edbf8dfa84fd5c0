"""Bars and sparklines, character by character."""

import math

from gradscope.reporters.layout.character_plots import LogScale, bar, sparkline


def test_a_bar_shows_every_value_above_zero():
    assert [bar(fraction, 4, unicode=True) for fraction in (0.0, 1e-9, 0.5, 0.53, 1.0)] == [
        "",
        "▏",
        "██",
        "██▏",
        "████",
    ]
    assert [bar(fraction, 4, unicode=False) for fraction in (0.0, 1e-9, 0.5, 1.0)] == [
        "",
        "#",
        "##",
        "####",
    ]


def test_a_log_scale_has_whole_decades_and_at_least_three():
    assert LogScale.covering([0.02, 0.5]) == LogScale(-3, 0)
    assert LogScale.covering([1e-9, 30.0, 0.0, math.inf, math.nan]) == LogScale(-9, 2)
    assert LogScale(-4, 0).fraction(1e-3) == 0.25
    assert LogScale(-4, 0).fraction(0.0) == 0.0
    assert LogScale(-4, 0).fraction(math.inf) == 1.0


def test_a_sparkline_covers_its_own_range_and_marks_what_is_not_finite():
    assert sparkline([0.0, 1.0, math.nan, 7.0], 10, unicode=True) == "▁▂!█"
    assert sparkline([0.0, 7.0], 10, unicode=False) == "_#"
    # The mean of two values per character.
    assert sparkline([0.0, 2.0, 6.0, 8.0], 2, unicode=True) == "▁█"
    assert sparkline([0.5], 3, unicode=True, span=(0.0, 0.5)) == "█"
