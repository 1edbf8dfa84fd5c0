"""The terminal's page at every width: whole numbers, whole verdicts, nothing obeyed."""

import math
import re
import unicodedata
from functools import cache

import pytest
from rich.cells import cell_len

from gradscope.reporters.report import Detail, ReportOptions
from gradscope.reporters.run import REPORTERS
from gradscope.reporters.run.tables.folding import fold
from gradscope.reporters.run.tables.layer_table import LayerRow, layer_table
from tests.each_case import each_case
from tests.reporters import fixtures

WIDTHS = (200, 120, 80, 60, 59, 40)
TAME = [name for name in fixtures.REPORTS if name != "nasty"]
NUMBER = re.compile(r"^x?(-?\d[\d.]*(?:e[+-]\d+)?)(%?),?$")
SGR = re.compile(r"\x1b\[[0-9;]*m")


ALL = Detail(layers=True, checks=True)


def render(report, *, width, color=False, unicode=True, files=()):
    options = ReportOptions(width, color, unicode, tuple(files), detail=ALL)
    return REPORTERS["text"](report, options)


@cache
def page(name, width=100, *, color=False, unicode=True):
    return render(fixtures.REPORTS[name](), width=width, color=color, unicode=unicode)


@cache
def shown_rows(name):
    table = layer_table(fixtures.REPORTS[name]())
    return [row for row in fold(table.rows) if isinstance(row, LayerRow)]


def layers_part(text):
    before = text.split("\nLoss\n")[0].split("\nGradient through time")[0]
    return before.split("Layers, from input to output")[1]


def same(printed, figure):
    return math.isclose(printed, figure, rel_tol=5.01e-3)


def figures(row):
    return [
        row.index,
        row.signal,
        row.signal_gain,
        row.gradient,
        row.gradient_gain,
        100 * row.figures["dead_fraction"],
        row.figures["derivative_gain"],
        row.figures["update_ratio"],
        row.figures["activation_mean"],
    ]


def row_texts(text, rows):
    """Index of each row -> the words printed for it."""
    found, current = {row.index: [] for row in rows}, None
    names = {row.name: row.index for row in rows}
    for line in layers_part(text).splitlines():
        words = line.split()
        name = next((word for word in words[:2] if word in names), None)
        if name is not None:
            current = names[name]
            found[current] += [w for w in words if w not in names]
        elif line.startswith(" ") and current is not None and "like these" not in line:
            found[current] += words
        else:
            current = None
    return found


@pytest.mark.parametrize("name", TAME)
def test_every_number_of_a_layer_reads_back(name):
    for width in WIDTHS:
        read_back(shown_rows(name), page(name, width))


def read_back(rows, text):
    printed = row_texts(text, rows)
    for row in rows:
        assert printed[row.index], row
        if not row.weighted:
            continue
        numbers = [float(m[1]) for word in printed[row.index] if (m := NUMBER.match(word))]
        known = [value for value in figures(row) if math.isfinite(value)]
        for value in numbers:
            if "since" in printed[row.index] and value == 7:
                continue
            assert any(same(value, figure) for figure in known), (row, value)
        for needed in (row.signal, row.gradient):
            if math.isfinite(needed):
                assert any(same(value, needed) for value in numbers), (row, needed)


@each_case("name", TAME)
def test_lines_fit(name):
    for width in WIDTHS:
        longest = max(page(name, width).splitlines(), key=cell_len)
        assert cell_len(longest) <= width, longest


@each_case("width", (*WIDTHS, 20, 10, 1, 0, -5))
def test_no_verdict_is_cut_at_any_width(width):
    text = " ".join(page("vanishing", width).split())
    for words in (
        "UNHEALTHY quickstart",
        "GS101 vanishing gradient: error",
        "GS501 frozen layers: warning",
        "2 passed: GS102 exploding gradient, GS201 vanishing signal",
        "not judged (relu does not saturate): GS204 saturated units",
        "ignored (detectors.ignore in the config): GS203 dead units",
        "crashed (ZeroDivisionError: float division): GS601 unstable updates",
        "observed: 1.23e-09 (threshold 0.001)",
        "hidden_1 ... hidden_15 (15 layers), steps 0 to 40",
        "interval 0.203 to 0.218",
        "accuracy 83.1%",
    ):
        assert words in text
    # Twice in the checks, at each of the 15 layers by name or, beside another, by code, and twice
    # in the answer, where a narrow page has no room for the command that explains it.
    assert text.count("vanishing gradient") + text.count("GS101") in (18, 19)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("partial", "PARTIAL, 3 of 300 steps: interrupted with Ctrl-C"),
        ("partial", "INCONCLUSIVE: too little was measured"),
        ("partial", "no detector has judged this run"),
        ("nonfinite", "DIVERGED, 7 of 300 steps: stopped at step 7"),
        ("nonfinite", "non-finite since step 6"),
        ("nonfinite", "observed: inf"),
        ("empty", "no step was recorded"),
        ("at_init", "figures at initialisation"),
    ],
)
def test_what_limits_the_verdict_is_said(name, words):
    assert words in page(name, 120)


def test_colour_says_nothing_that_words_do_not():
    coloured = page("vanishing", color=True)
    assert "\x1b[" in coloured
    assert SGR.sub("", coloured) == page("vanishing")


def test_without_colour_there_is_no_escape_sequence():
    assert "\x1b" not in page("vanishing")


@each_case("name", fixtures.REPORTS)
def test_ascii_mode_is_ascii(name):
    for width in (40, 120):
        text = page(name, width, unicode=False)
        text.encode("ascii")
        assert all(c == "\n" or c.isprintable() for c in text), width


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_hostile_names_are_inert(color, width):
    text = SGR.sub("", page("nasty", width, color=color)).replace("\n", "")
    obeyed = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert not obeyed
    assert "\\x1b[31mred" in text
    assert "[/nope][red]markup[link=https://evil.example]x[/link]:boom:" in text
    assert "\\u202egnp.exe" in text


def test_a_path_is_named_whole():
    path = "reports/" + "x" * 300 + "/\x1breport.html"
    text = render(fixtures.healthy(), width=60, color=False, unicode=True, files=[path])
    assert path.replace("\x1b", "\\x1b") in text


def test_depth_100_is_readable():
    lines = layers_part(page("deep_sick", 100)).splitlines()
    assert len(lines) < 60
    assert any("hidden_57" in line and "100%" in line for line in lines)
    assert any("layers like these" in line for line in lines)


def test_the_files_stand_before_the_answer():
    text = render(fixtures.healthy(), width=80, unicode=False, files=("a.html", "b.json"))
    assert "\nFiles\n  a.html\n  b.json\n\n+ HEALTHY  " in text


@pytest.mark.parametrize("width", WIDTHS)
def test_no_gain_is_told_where_a_network_branches(width):
    table = layers_part(page("transformer", width))
    rows, branches, _ = table.partition("This network branches")
    assert branches
    assert not re.search(r"\bx\d|(?<!phi' )\bgain\b", rows)
    assert "of 6 layers like these" in " ".join(rows.split())
    assert re.search(r"\bx\d", layers_part(page("healthy", width)))


@pytest.mark.parametrize(("width", "rows"), [(120, 7), (80, 7), (40, 7), (60, 0)])
def test_the_band_stands_where_there_is_room(width, rows):
    text = page("banded", width)
    table = layers_part(text).partition("layers without figures")[0]
    assert len(re.findall(r"(?:signal|gradient)\s+out\b", table)) == rows
    said = " ".join(text.split())
    assert "measured at step 0: 7 of 12 figures outside its 99% band." in said
    assert "the first layer outside theory's band is hidden_3" in said
    assert "it comes through hidden_4." in said
