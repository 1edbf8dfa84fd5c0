"""The four states are told apart without colour, and every text can be read, light and dark."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from gradscope.record import DiagnosisState
from gradscope.reporters.layout.lines import symbol
from tests.analyzer.synthetic import over_time, record
from tests.reporters.run.test_answer import FALLING, STEPS, healthy, judged, sigmoid
from tests.reporters.run.test_html import render

STYLE = files("gradscope.reporters.run").joinpath("page", "style.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", STYLE.split("@media")[i])) for i in (0, 1)
)
LEAST = 4.5
"""Contrast of text that WCAG 2 asks for at level AA."""


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    digits = color[1:] if len(color) == 7 else "".join(2 * c for c in color[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_of_known_pairs() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(palette: dict[str, str]) -> None:
    for ground in ("paper", "wash"):
        for text in ("ink", "soft", "data", "bad", "warn", "good", "unknown"):
            assert contrast(palette[text], palette[ground]) >= LEAST, (text, ground)
    for state in DiagnosisState:
        assert contrast(palette[f"bar-{state}"], "#fff") >= LEAST, state


def test_states_have_their_own_word_shape_and_mark() -> None:
    shares = over_time(STEPS + 1, (0, [0.05] * 5), (9, [0.05, 0.05, 0.74, 0.62, 0.98]))
    dead = record(steps=STEPS, loss=FALLING, dead=shares, accuracy=0.2)
    reports = {
        "healthy": healthy(),
        "warning": judged(dead),
        "unhealthy": sigmoid(),
        "inconclusive": judged(record(steps=5)),
    }
    assert set(reports) == set(DiagnosisState)
    shapes = {}
    for state, report in reports.items():
        assert report.diagnosis.verdict == state
        bar = re.search(r'<div class="state">(.*?)</div>', render(report, {}), re.DOTALL)
        assert bar is not None
        assert f"<span>{state.capitalize()}</span>" in bar[1]
        shapes[state] = re.sub(r"--bar-\w+", "", bar[1].partition("<span>")[0])
    assert len(set(shapes.values())) == len(shapes)
    assert len({symbol(state, unicode=True) for state in DiagnosisState}) == len(DiagnosisState)
    assert len({symbol(state, unicode=False) for state in DiagnosisState}) == len(DiagnosisState)
