"""First screens of sweeps and comparisons: state, what, where, what to do."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gradscope.config.loading import load_config
from gradscope.gate.runs_compared import RunsCompared, Side, compare_runs
from gradscope.record import RunRecord
from gradscope.record.sweep_table import Look, SweepAxis, SweepRow, SweepTable, load_sweep
from gradscope.reporters.compare import COMPARE_FORMS
from gradscope.reporters.compare.screen import compare_screen
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.page.screen import Role, Tone
from gradscope.reporters.sweep.screen import sweep_screen
from gradscope.workflows.analysis import judged
from tests.analyzer.synthetic import record

CONFIG = load_config({"name": "net", "model": {"depth": 8, "width": 100}}).to_dict()
ROOT = Path(__file__).parents[2]


def sweep(*members: tuple[int, float, str, float]) -> SweepTable:
    """Members as (depth, scale, verdict, accuracy)."""
    depths, scales = (tuple(dict.fromkeys(str(m[i]) for m in members)) for i in (0, 1))
    axes = (
        SweepAxis("depth", ("model.depth",), depths),
        SweepAxis("scale", ("model.initializer.scale",), scales),
    )
    rows = tuple(
        SweepRow(
            (str(depth), str(scale)),
            {"model.depth": depth, "model.initializer.scale": scale},
            {
                "combination": number,
                "status": "complete",
                "verdict": verdict,
                "test_accuracy": accuracy,
            },
        )
        for number, (depth, scale, verdict, accuracy) in enumerate(members)
    )
    return SweepTable("phase", axes, "grid", 1, Look.TRAINED, rows)


def test_a_sweep_says_how_many_are_healthy_where_and_which_to_take() -> None:
    screen = sweep_screen(
        sweep(
            (5, 1.0, "healthy", 0.7),
            (5, 2.0, "healthy", 0.8),
            (50, 1.0, "unhealthy", 0.9),
            (50, 2.0, "unhealthy", 0.1),
        )
    )
    what, where, take = screen.answers
    assert (screen.tone, screen.word, screen.facts) == (
        Tone.WARNING,
        "Some healthy",
        "4 networks, trained",
    )
    assert what.number == "2 of 4"
    assert where.heading == "depth 5"
    assert where.strip is not None
    assert [(cell.share, cell.bad) for cell in where.strip.cells] == [(1.0, False), (0.0, True)]
    assert take.heading == "depth 5 with initializer.scale 2.0", (
        "the best healthy one, not the best"
    )
    assert take.commands == ("-s model.depth=5 \\\n-s model.initializer.scale=2.0",)
    assert "accuracy on the test set 0.8: the best of 4, healthy" in take.caption


@pytest.mark.parametrize(
    ("verdicts", "tone"),
    [
        (("healthy", "healthy"), Tone.HEALTHY),
        (("unhealthy", "unhealthy"), Tone.UNHEALTHY),
        (("inconclusive", "inconclusive"), Tone.INCONCLUSIVE),
    ],
)
def test_the_state_of_a_sweep(verdicts: tuple[str, str], tone: Tone) -> None:
    screen = sweep_screen(sweep((5, 1.0, verdicts[0], 0.5), (6, 1.0, verdicts[1], 0.4)))
    assert screen.tone is tone
    if tone is Tone.UNHEALTHY:
        assert "though none is healthy" in screen.answers[2].caption


def test_a_sweep_that_measured_nothing_has_a_screen() -> None:
    screen = sweep_screen(replace(sweep((5, 1.0, "", math.nan)), rows=()))
    assert screen.tone is Tone.INCONCLUSIVE
    assert screen.answers[2].heading == "Nothing to choose from"


def test_the_committed_sweeps_show_their_first_screen() -> None:
    for name in ("phase_diagram", "textbook"):
        folder = ROOT / "reports" / f"{name}.sweep"
        what = sweep_screen(load_sweep(folder)).answers[0]
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert f">{what.number}</p>" in page


def compared(before: RunRecord, after: RunRecord) -> RunsCompared:
    runs = {"old": replace(before, config=CONFIG), "new": replace(after, config=CONFIG)}
    return compare_runs([Side(name, (run,), (judged(run),)) for name, run in runs.items()])


VANISHING = record(8, delta=[10.0**-k for k in range(8, 0, -1)])


def test_a_worse_run_says_what_where_and_what_was_changed() -> None:
    screen = compare_screen(compared(record(8), VANISHING))
    what, where, changed = screen.answers
    assert (screen.tone, screen.word) == (Tone.UNHEALTHY, "Worse")
    assert what.heading == "The gradient changed"
    assert float(what.number.removeprefix("x")) == pytest.approx(1e-7, rel=0.1)
    assert "Came: GS101" in what.caption
    assert where.heading.startswith("hidden_1 to ")
    assert where.strip is not None
    assert where.strip.cells[0].bad
    assert where.strip.cells[0].share == 0.0, "seven decades away: three empty a cell"
    assert changed.heading == "Nothing in the config"
    [gradient, *_] = screen.plots
    assert [curve.role for curve in gradient.curves] == [Role.BASELINE, Role.MEASURED]
    assert compare_screen(compared(VANISHING, record(8))).word == "Better"


def test_the_same_run_changed_nowhere() -> None:
    screen = compare_screen(compared(VANISHING, VANISHING))
    what, where, _ = screen.answers
    assert (what.heading, what.number) == ("The gradient is the same", "x1")
    assert where.heading == "In no layer by a factor of two"
    assert where.strip is not None
    shares = [cell.share for cell in where.strip.cells if not math.isnan(cell.share)]
    assert len(shares) >= 8
    assert set(shares) == {1.0}


def test_the_page_of_a_comparison_has_its_contents_and_its_policy() -> None:
    page = COMPARE_FORMS["html"](compared(record(8), VANISHING), ReportOptions())
    links = re.findall(r'<a href="#([\w-]+)">', page)
    assert links
    assert set(links) <= set(re.findall(r'<details id="([\w-]+)">', page))
    assert " style=" not in page
    assert " onclick" not in page
