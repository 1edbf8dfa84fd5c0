"""The page in a real browser: what its script does, what a reader without a mouse can do.

Needs Debian's chromium, playwright, which drives it, and axe-playwright-python, which brings
axe-core. What is missing skips, and says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.reporters.layout import numbers
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.html import render
from gradscope.reporters.run.page import drawing
from tests.analyzer.synthetic import over_time, record
from tests.reporters import fixtures
from tests.reporters.drawing import files
from tests.reporters.run.test_answer import FALLING, STEPS, healthy, judged, sigmoid

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install 'gradscope-keras[test]'"
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

WIDE, NARROW = {"width": 1200, "height": 800}, {"width": 390, "height": 844}


def dying() -> Any:
    shares = over_time(STEPS + 1, (0, [0.05] * 5), (9, [0.05, 0.05, 0.74, 0.62, 0.98]))
    return judged(record(steps=STEPS, loss=FALLING, dead=shares, accuracy=0.2))


REPORTS = {"sigmoid": sigmoid, "healthy": healthy, "dying": dying}
REPORTS |= {
    name: fixtures.REPORTS[name]
    for name in ("vanishing", "nasty", "deep_sick", "recurrent", "empty")
}


@cache
def text(name: str) -> str:
    figures = files(name) if name in ("nasty", "healthy") else {}
    svg = {p.removesuffix(".svg"): v.decode() for p, v in figures.items() if p.endswith(".svg")}
    return render(REPORTS[name](), svg, ReportOptions(source="configs/quickstart.yaml"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Open a report by name; the test fails where the browser complains of anything."""
    complaints: list[str] = []
    contexts = []

    def open_page(name: str, viewport: dict[str, int] = WIDE, **settings: Any) -> Any:
        path = tmp_path / f"{name}.html"
        path.write_text(text(name), encoding="utf-8")
        context = browser.new_context(viewport=viewport, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        return page

    open_page.expected = ""  # type: ignore[attr-defined]
    yield open_page
    for context in contexts:
        context.close()
    expected = open_page.expected  # type: ignore[attr-defined]
    assert not [each for each in complaints if not expected or expected not in each]


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_scrolls_sideways_and_nothing_complains(opened: Any, name: str) -> None:
    page = opened(name, NARROW)
    tabs = page.locator(".tabs label")
    for i in range(max(1, tabs.count())):
        if tabs.count():
            tabs.nth(i).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_the_policy_stops_a_foreign_script(opened: Any) -> None:
    page = opened("healthy")
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        "document.body.append(s); }"
    )
    assert page.evaluate("window.ran") is None
    opened.expected = "Content Security Policy"


def test_the_slider_moves_the_points_to_what_was_recorded(opened: Any) -> None:
    page = opened("vanishing")
    plot, point = page.locator(".panel0 .plot"), page.locator(".panel0 .point").first
    assert page.locator("#shown").inner_text().endswith("as judged")
    rest = point.get_attribute("y")
    page.locator("#step").focus()
    page.keyboard.press("Home")
    assert page.locator("#shown").inner_text() == "0"
    profile = depth_profile(REPORTS["vanishing"]().record)
    first = float(profile.gradient_relative[0, 0])
    low, high = (float(plot.get_attribute(f"data-{end}")) for end in ("low", "high"))
    height = drawing.Axis(low, high, True).at(first)
    assert float(point.get_attribute("y")) == pytest.approx(height, abs=0.3)
    assert point.get_attribute("y") != rest
    written = page.locator(".panel0 .read").inner_text()
    assert written.endswith(f"measured {numbers.number(first)} times")
    page.keyboard.press("End")
    assert point.get_attribute("y") == rest


def test_without_a_script_the_page_is_whole(opened: Any) -> None:
    page = opened("sigmoid", java_script_enabled=False)
    assert page.locator(".panel0 .plot").is_visible()
    assert not page.locator(".slide").is_visible()
    assert not page.locator("button.copy").first.is_visible()
    page.locator(".tabs label").nth(1).click()
    assert page.locator(".panel1").is_visible()
    assert not page.locator(".panel0").is_visible()


def test_tabs_are_reached_by_keys(opened: Any) -> None:
    page = opened("sigmoid")
    page.locator("#tab0").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".panel1").is_visible()
    assert not page.locator(".panel0").is_visible()


def test_a_pointer_reads_a_layer_in_figure_and_strip(opened: Any) -> None:
    page = opened("sigmoid")
    page.locator(".panel0 .point").nth(4).hover()
    assert page.locator(".panel0 .read b").inner_text() == "hidden_5"
    assert page.locator(".strip .cell.now").get_attribute("data-layer") == "hidden_5"


def test_keys_walk_over_layers_and_open_the_row(opened: Any) -> None:
    page = opened("sigmoid")
    page.locator(".panel0 .plot").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.locator(".panel0 .read b").inner_text() == "hidden_3"
    page.keyboard.press("Enter")
    row = page.locator("tr.hot")
    assert row.get_attribute("data-layer") == "hidden_3"
    assert row.is_visible()


def test_rows_of_dead_units_are_read_and_moved(opened: Any) -> None:
    page = opened("dying")
    page.locator(".panel0 .plot").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.locator(".panel0 .read").inner_text() == "hidden_3 74% dead"
    page.locator("#step").focus()
    page.keyboard.press("Home")
    assert page.locator(".panel0 .read").inner_text() == "hidden_3 5% dead"


def test_the_script_writes_numbers_as_every_other_form(opened: Any) -> None:
    page = opened("sigmoid")
    values = [m * 10.0**e for e in range(-12, 13) for m in (1.0, 1.234, 9.994, 9.996, -5.5)]
    values += [0.0, 999.4, 999.5, 9999.4, 9999.6]
    written = page.evaluate("values => values.map(number)", values)
    assert written == [numbers.number(value) for value in values]


def test_copying_gives_the_command(opened: Any) -> None:
    page = opened("sigmoid", permissions=["clipboard-read", "clipboard-write"])
    command = page.locator("pre.command").first.inner_text()
    page.locator("button.copy").first.click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == command


def test_on_paper_every_tab_and_fold_is_there(opened: Any) -> None:
    page = opened("sigmoid")
    page.emulate_media(media="print")
    for i in range(page.locator(".panel").count()):
        assert page.locator(f".panel{i}").is_visible()
    assert not page.locator(".slide").is_visible()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("pre.config").is_visible()


NASTY = pytest.param("nasty", marks=pytest.mark.long("20 s each"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["sigmoid", "dying", "healthy", NASTY])
def test_axe_finds_nothing_serious(opened: Any, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="it has axe-core: see pyproject.toml")
    page = opened(name, color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.add_script_tag(path=Path(axe.__file__).with_name("axe.min.js"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [
        (each["id"], each["nodes"][0]["html"][:200])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert not serious
