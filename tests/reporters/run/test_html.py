"""The page: one file, its own script alone, nothing from outside, nothing obeyed."""

import base64
import hashlib
import json
import re
from functools import cache
from html.parser import HTMLParser

import pytest

from gradscope.reporters.layout import numbers
from gradscope.reporters.run.html import inline, render
from gradscope.reporters.run.tables.layer_figures import FIGURES
from gradscope.reporters.run.tables.layer_table import layer_table
from tests.reporters import fixtures
from tests.reporters.drawing import files

ADDRESS = re.compile(r"\b(?:https?|ftp|file|wss?):|//[\w-]+\.", re.IGNORECASE)
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
LOADING = {"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background"}
TEXT = {"aria-label", "data-layer"}


class Page(HTMLParser):
    """Elements, attributes and the text outside of styles."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@cache
def source(name):
    svg = {
        path.removesuffix(".svg"): content.decode()
        for path, content in files(name).items()
        if path.endswith(".svg")
    }
    return render(fixtures.REPORTS[name](), svg)


@cache
def plain(name):
    return render(fixtures.REPORTS[name](), {})


@pytest.mark.parametrize("name", fixtures.REPORTS)
def test_every_report_becomes_a_page(name):
    page = Page(plain(name))
    report = fixtures.REPORTS[name]()
    assert page.text.index(report.diagnosis.verdict.capitalize()) < 200
    for row in layer_table(report).weighted:
        assert row.name in page.text
        assert numbers.number(row.gradient) in page.text


def test_it_holds_what_the_terminal_says():
    text = Page(plain("vanishing")).text
    for words in (
        "Unhealthy quickstart 40 steps",
        "What The gradient vanishes 1.2e-09",
        "Where hidden_1 to hidden_15",
        "Try model.activation: selu",
        "The gradient loses a factor of 4.7 per layer",
        "40 steps, batch 32",
        "GS101 vanishing gradient: error",
        "relu does not saturate GS204 saturated units",
        "observed 1.23e-09 (threshold 0.001)",
        "interval 0.203 to 0.218",
        "accuracy 83.1%",
        "learning_rate: 0.01",
        "tensorflow 2.21.0",
        "figures over steps 30 to 40",
    ):
        assert words in text


@pytest.mark.parametrize("name", ["healthy", "nasty"])
def test_nothing_is_loaded_from_anywhere(name):
    page = Page(source(name))
    assert page.tags.count("figure") == len(files(name)) / 2
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert page.tags.count("script") == 2
    assert not [value for tag, key, value in page.attributes if key == "style"]
    for _, key, value in page.attributes:
        assert not key.startswith("on")
        if key in LOADING:
            assert value.startswith(("#", "data:image/png;base64,")), (key, value[:60])
        elif ADDRESS.search(value):
            assert key in TEXT or key.startswith("xmlns"), (key, value)
            assert key in TEXT or value in NAMESPACES
    style = "".join(re.findall(r"<style[^>]*>(.*?)</style>", source(name), re.DOTALL))
    assert "@import" not in style
    assert not ADDRESS.search(style)


def test_the_policy_forbids_what_the_page_does_not_need():
    policy = [v for t, k, v in Page(plain("healthy")).attributes if t == "meta" and k == "content"]
    (rules,) = (rule for rule in policy if rule.startswith("default-src 'none'; "))
    assert "unsafe" not in rules
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", plain("healthy"), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in rules


def test_ids_of_the_figures_do_not_clash():
    page = Page(source("healthy"))
    ids = [value for _, key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    used = re.findall(r"url\(#([^)]+)\)", source("healthy"))
    used += [value[1:] for _, key, value in page.attributes if "href" in key and value[:1] == "#"]
    assert used
    assert set(used) <= set(ids)


def test_inline_drops_the_prologue_and_prefixes_every_reference():
    svg = (
        '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "x" "http://www.w3.org/y.dtd">\n'
        '<svg><metadata>http://purl.org</metadata><g id="a"/><use xlink:href="#a"/>'
        '<path clip-path="url(#a)"/></svg>'
    )
    assert inline(svg, "p") == (
        '<svg><g id="p-a"/><use xlink:href="#p-a"/><path clip-path="url(#p-a)"/></svg>'
    )


def test_hostile_strings_are_text():
    page = Page(source("nasty"))
    assert page.tags.count("script") == 2
    data = source("nasty").partition('id="data">')[2].partition("</script>")[0]
    assert not set("<>&") & set(data)
    assert json.loads(data)["plots"]
    assert "<script>alert(1)</script>&amp;\"'" in page.text
    assert "[/nope][red]markup" in page.text
    raw = source("nasty")
    assert not any((c < " " and c != "\n") or "\x7f" <= c <= "\x9f" for c in raw)
    assert not set("\u202e\u2066\u200b\ud800") & set(raw)
    raw.encode()


def test_a_deep_table_is_folded_and_kept_whole_behind_it():
    page = Page(plain("deep_sick"))
    assert "layers like these" in page.text
    table = plain("deep_sick").partition('id="layers"')[2].partition('id="checks"')[0]
    assert table.count("<details>") == 1
    assert Page(table).text.count("hidden_33") == 1
    assert "<details>" not in plain("vanishing").partition('id="layers"')[2]


def test_no_gain_is_told_where_a_network_branches():
    def headings(name):
        return re.findall(r'<th class="n" scope="col">(.*?)</th>', plain(name))

    assert headings("healthy").count("gain") == 2
    assert "gain" not in headings("transformer")
    table = plain("transformer").partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr data-layer[^>]*>(.*?)</tr>", table, flags=re.DOTALL)
    assert {row.count("<td") for row in rows} == {8 + len(FIGURES)}
    assert not re.search(r"\bx\d", table)


def test_limits_are_said_first():
    text = Page(plain("partial")).text
    assert text.index("PARTIAL, 3 of 300 steps") < text.index("Layers from input to output")
    assert "no detector has judged this run" in text


def test_the_same_report_gives_the_same_page():
    assert render(fixtures.vanishing(), {}) == plain("vanishing")


def test_the_band_has_a_column_where_theory_has_one():
    def cells(name):
        table = plain(name).partition("<tbody>")[2].partition("</tbody>")[0]
        return {
            row.count("<td") for row in re.findall(r"<tr data[^>]*>(.*?)</tr>", table, re.DOTALL)
        }

    assert ">band</th>" in plain("banded")
    assert plain("banded").count("signal out</td>") == 4
    assert ">band</th>" not in plain("healthy")
    with_gains = 10 + len(FIGURES)
    assert (cells("banded"), cells("healthy")) == ({with_gains + 1}, {with_gains})
    assert "The first layer outside theory&#39;s band is hidden_4" in plain("banded")
