"""Student's t against its closed forms for few degrees of freedom and the normal distribution."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from gradscope.theory.student_t import quantile, two_sided


def exact(t: float, degrees: int) -> float:
    """P(|T| > t) in closed form (Abramowitz & Stegun 26.7.3 and 26.7.4) for 1, 2, 3, 4 degrees."""
    theta = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(theta), math.cos(theta)
    inside = {
        1: 2 * theta / math.pi,
        2: sine,
        3: 2 / math.pi * (theta + sine * cosine),
        4: sine * (1 + cosine**2 / 2),
    }
    return 1 - inside[degrees]


@pytest.mark.parametrize("degrees", [1, 2, 3, 4])
def test_closed_forms(degrees: int) -> None:
    for t in (0.0, 1e-3, 0.3, 1.0, 2.5, 7.0, 40.0):
        assert two_sided(t, degrees) == pytest.approx(exact(t, degrees), rel=1e-9, abs=1e-15), t
        assert two_sided(-t, degrees) == two_sided(t, degrees)


def test_many_degrees_are_normal() -> None:
    for t in (0.5, 2.0, 4.0):
        normal = 2 * (1 - NormalDist().cdf(t))
        assert two_sided(t, 1e7) == pytest.approx(normal, rel=1e-5)


@pytest.mark.parametrize(
    ("tail", "degrees", "table"),
    [(0.05, 8, 2.306004), (0.01, 9, 3.249836), (0.001, 4, 8.610302), (0.005, 2.5, None)],
)
def test_quantile(tail: float, degrees: float, table: float | None) -> None:
    """Table values of Abramowitz & Stegun 26.10; and the inverse of the tail for any degrees."""
    found = quantile(tail, degrees)
    assert two_sided(found, degrees) == pytest.approx(tail, rel=1e-9)
    for far in (1e-12, 0.5, 0.999):
        assert two_sided(quantile(far, degrees), degrees) == pytest.approx(far, rel=1e-9)
    if table is not None:
        assert found == pytest.approx(table, abs=1e-6)


def test_far_tails_and_what_is_no_number() -> None:
    assert two_sided(math.inf, 5) == 0.0
    assert math.isnan(two_sided(math.nan, 5))
    assert two_sided(1e6, 2) == pytest.approx(1e-12, rel=1e-9), "1 - t / sqrt(2 + t^2)"
