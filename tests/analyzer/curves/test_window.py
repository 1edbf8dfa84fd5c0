"""Spells, onsets and means against their definitions written out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradscope.analyzer import findings
from gradscope.analyzer.curves import window
from gradscope.integrations.fit import cadence
from tests.analyzer.synthetic import record

HOLDS = st.lists(st.booleans(), min_size=1, max_size=60)
FEW = settings(max_examples=40, deadline=None, derandomize=True)


def brute_onset(holds: list[bool]) -> int:
    for row, now in enumerate(holds):
        rest = holds[row:]
        if now and 10 * sum(rest) >= 9 * len(rest):
            return row
    return max(row for row, now in enumerate(holds) if now)


@given(HOLDS.filter(any))
@FEW
def test_onset(holds: list[bool]) -> None:
    assert window.onset(np.array(holds)) == brute_onset(holds)


@given(HOLDS, st.integers(0, 3), st.integers(1, 10))
@FEW
def test_spell(holds: list[bool], start: int, every: int) -> None:
    steps = start + every * np.arange(len(holds))
    found = window.occurrence(steps, np.array(holds))
    quarter = holds[len(holds) - math.ceil(len(holds) / 4) :]
    assert found.at_end == (2 * sum(quarter) >= len(quarter))
    assert found.at_initialisation == (holds[0] and start == 0)
    assert bool(found) == (found.at_end or found.at_initialisation)
    if found.at_end:
        first, begin = len(holds) - len(quarter), brute_onset(holds)
        hovers = begin >= first and 10 * sum(quarter) < 9 * len(quarter)
        begin = first + quarter.index(True) if hovers else begin
        assert found.since_step == steps[begin]
        assert found.counted == ((sum(quarter), len(quarter)) if hovers else None)
        assert found.until_step == steps[-1]
    elif found.at_initialisation:
        assert found.since_step == 0
        assert found.until_step == steps[holds.index(False) - 1]


def test_occurrence_of_nothing() -> None:
    assert not window.occurrence(np.array([], np.int64), np.array([], np.bool_))


def test_what_comes_and_goes_is_counted() -> None:
    holds = np.array([0] * 12 + [1, 0, 1, 0], np.bool_)
    found = window.occurrence(np.arange(16), holds)
    assert (found.since_step, found.until_step) == (12, 15)
    assert found.text == "on and off, in 2 of the last 4 recorded steps"


@pytest.mark.parametrize(("last", "lasts"), [([1, 1, 0, 0], True), ([0, 1, 0, 0], False)])
def test_half_of_the_last_quarter_is_enough(last: list[int], lasts: bool) -> None:
    occurrence = window.occurrence(np.arange(16), np.array([0] * 12 + last, np.bool_))
    assert occurrence.at_end is lasts


@pytest.mark.parametrize(
    ("holds", "words"),
    [
        ([1, 1, 1, 1], "since initialisation"),
        ([0, 0, 1, 1], "since step 20"),
        ([1, 1, 0, 0], "at initialisation, recovered after step 10"),
    ],
)
def test_words(holds: list[int], words: str) -> None:
    assert window.occurrence(np.array([0, 10, 20, 30]), np.array(holds, np.bool_)).text == words


@pytest.mark.parametrize(
    ("count", "rows"),
    [(1, [0]), (2, [1]), (4, [3]), (5, [3, 4]), (8, [6, 7]), (41, [*range(30, 41)])],
)
def test_last_quarter(count: int, rows: list[int]) -> None:
    assert list(range(count))[window.last_quarter(np.arange(count))] == rows


@given(st.lists(st.one_of(st.floats(1e-300, 1e300), st.just(math.nan)), min_size=1, max_size=30))
@FEW
def test_typical_is_the_geometric_mean_of_the_last_quarter(values: list[float]) -> None:
    quarter = values[len(values) - math.ceil(len(values) / 4) :]
    usable = [math.log(value) for value in quarter if not math.isnan(value)]
    expected = math.exp(math.fsum(usable) / len(usable)) if usable else math.nan
    found = window.typical(np.array(values)[:, None], np.arange(len(values)))
    assert found.shape == (1,)
    assert found[0] == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_a_zero_makes_the_geometric_mean_zero() -> None:
    values = np.array([[0.0, 4.0, np.nan], [5.0, 9.0, np.nan]])
    np.testing.assert_allclose(window.geometric_mean(values), [0.0, 6.0, np.nan], rtol=1e-14)


def test_median_leaves_nan_out() -> None:
    values = np.array([[1.0, np.nan, np.nan], [9.0, 3.0, np.nan], [2.0, 5.0, np.nan]])
    np.testing.assert_array_equal(window.median(values), [2.0, 4.0, np.nan])


def test_evidence() -> None:
    made = record(steps=(0, 1, 10, 20))
    values = np.array([np.nan, 3.0, 0.5, np.inf])
    evidence = findings.evidence_over_steps(made, n=77, steps=made.steps, values=values)
    assert (evidence.n, evidence.batch_size, evidence.phase) == (77, 32, "training")
    assert (evidence.seeds, evidence.steps) == ((7,), (0, 20))
    assert evidence.interval == (0.5, 3.0)
    assert "smallest and largest" in evidence.interval_meaning
    assert findings.evidence_over_steps(
        made, n=1, steps=made.steps[2:], values=values[2:]
    ).steps == (10, 20)
    nothing = findings.evidence_over_steps(made, n=1, steps=made.steps[:1], values=values[:1])
    assert (nothing.interval, nothing.interval_meaning) == (None, "")


@given(st.integers(1, 60), st.integers(1, 500))
@FEW
def test_every_nth_step_is_an_even_spacing(every: int, length: int) -> None:
    """With step 0, the first and the last one beside the multiples, rows are counted as before."""
    steps = np.array(sorted({0, 1, length, *range(every, length, every)}))
    rows = window.last_quarter(steps)
    assert (rows.start, rows.stop) == (len(steps) - math.ceil(len(steps) / 4), len(steps))


@given(st.integers(40, 5000))
@FEW
def test_where_steps_get_sparser_the_last_quarter_is_one_of_time(length: int) -> None:
    steps = np.array([k for k in range(length + 1) if not k or cadence.is_measured(k, None)])
    late = steps[window.last_quarter(steps)]
    in_quarter = np.count_nonzero(steps >= 0.75 * length)
    assert len(late) <= math.ceil(len(steps) / 4)
    assert len(late) >= min(window.FEWEST_ROWS, in_quarter)
    if len(late) > window.FEWEST_ROWS:
        assert late[0] >= 0.7 * length
