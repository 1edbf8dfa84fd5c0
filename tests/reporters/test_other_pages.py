"""The pages of sweeps and comparisons in a real browser; without one the tests say so and skip."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gradscope.reporters.compare import COMPARE_FORMS
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.sweep import page as sweep_page
from tests.analyzer.synthetic import record
from tests.reporters.test_hostile_sweep import hostile_table
from tests.reporters.test_other_screens import VANISHING, compared

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install 'gradscope-keras[test]'"
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
COMMITTED = Path(__file__).parents[2] / "reports" / "phase_diagram.sweep" / "report.html"
PAGES = ("sweep", "hostile", "comparison")


@cache
def text(name: str) -> str:
    if name == "sweep":
        return COMMITTED.read_text(encoding="utf-8")
    if name == "hostile":
        return sweep_page.render(hostile_table(), {})
    return COMPARE_FORMS["html"](compared(record(8), VANISHING), ReportOptions())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(params=PAGES)
def opened(browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each page on a telephone; the test fails where the browser complains of anything."""
    complaints: list[str] = []
    path = tmp_path / "page.html"
    path.write_text(text(request.param), encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert not complaints


def test_a_page_keeps_to_its_width_and_its_answer_is_on_the_first_screen(opened: Any) -> None:
    width = "document.documentElement.scrollWidth"
    assert opened.evaluate(width) <= 390
    for kind in ("what", "where", "do"):
        part = opened.locator(f"section.{kind}")
        box = part.bounding_box()
        assert part.inner_text().strip()
        assert box["y"] < 844, kind
    opened.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert opened.evaluate(width) <= 390


def test_what_is_to_be_pasted_can_be_copied(opened: Any) -> None:
    buttons = opened.locator("button.copy")
    for i in range(buttons.count()):
        buttons.nth(i).click()
        playwright.expect(buttons.nth(i)).to_have_text("Copied", timeout=30_000)
