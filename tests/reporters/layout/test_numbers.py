"""Every number reads the same everywhere and can be read back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradscope.reporters.layout import numbers
from tests.each_case import each_case


@each_case(
    ("value", "text"),
    [
        (0.5123, "0.512"),
        (12.345, "12.3"),
        (123.45, "123"),
        (999.6, "1000"),
        (1234.4, "1234"),
        (9999.6, "1e+04"),
        (1.2e-9, "1.2e-09"),
        (1.23456e-30, "1.23e-30"),
        (-0.0, "0"),
        (math.nan, "-"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (-1234.4, "-1234"),
    ],
)
def test_number(value, text):
    assert numbers.number(value) == text


def test_what_is_missing_is_said_in_the_words_asked_for():
    assert numbers.number(math.nan, numbers.NOT_MEASURED) == "not measured"
    assert numbers.percent(math.nan) == numbers.ratio(math.nan) == "-"


# From 1.795e+308 on, three digits round up to more than float64 holds.
@given(st.floats(min_value=-1.79e308, max_value=1.79e308, allow_subnormal=False))
def test_a_number_reads_back_to_three_digits_in_ascii(value):
    text = numbers.number(value)
    assert text.isascii()
    assert len(text) <= len("-1.23e-308")
    assert float(text) == pytest.approx(value, rel=5.01e-3, abs=0)


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (1, "100%"), (0.1234, "12.3%"), (4e-5, "0.004%")]
)
def test_percent(share, text):
    assert numbers.percent(share) == text


def test_words():
    assert numbers.ratio(0.2124) == "x0.212"
    assert numbers.count(60000) == "60,000"
    assert numbers.interval((0.2034, 0.2178)) == "0.203 to 0.218"
    assert numbers.span([1.001, math.nan, 1.002]) == "1"
    assert numbers.span([1.0, 2.0]) == "1 to 2"
    assert numbers.span([math.nan]) == "-"


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((9.9e-05, 1.2e-04), "9.9e-05 to 1.2e-04"),
        ((9500.0, 12345.0), "9.5e+03 to 1.23e+04"),
        ((0.2, 0.314), "0.2 to 0.314"),
        ((1e-12, 1.0), "1e-12 to 1"),  # twelve decades apart: each as people read it
        ((0.0, 1e-05), "0 to 1e-05"),
    ],
)
def test_near_ends_of_an_interval_have_one_notation(bounds, text):
    assert numbers.interval(bounds) == text


@each_case(
    ("seconds", "text"),
    [(0.254, "0.25 s"), (9.4, "9.4 s"), (44.4, "44 s"), (130.0, "2 min"), (6000.0, "1.7 h")],
)
def test_a_time_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert numbers.duration(seconds) == text
