"""The same run recorded at every step and at fewer and fewer steps: the verdicts are the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.loss_curve import LossCurve
from gradscope.analyzer.diagnose import diagnose
from gradscope.integrations.fit import cadence
from gradscope.record import RunRecord
from tests.analyzer.synthetic import geometric, over_time, record

STEPS = 600
UNIT = np.random.default_rng(5).normal(size=STEPS + 1)


def sparse(whole: RunRecord) -> RunRecord:
    """The rows that a fit without `every` records: step 0 and those of the cadence."""
    last = int(whole.steps[-1])
    rows = [k for k in range(last + 1) if k in (0, last) or cadence.is_measured(k, None)]
    return replace(
        whole,
        steps=whole.steps[rows],
        series={name: values[rows] for name, values in whole.series.items()},
        scalars={name: values[rows] for name, values in whole.scalars.items()},
    )


def test_a_fall_is_the_difference_of_two_quarters_as_ever() -> None:
    for count in (2, 3, 7, 50, 333):
        loss, every = np.random.default_rng(count).normal(size=count), 3
        curve = LossCurve(1 + every * np.arange(count), loss)
        late = math.ceil(count / 4)
        for quarter in range(3):
            start = quarter * (count - late) // 3
            early, last = loss[start : start + late], loss[-late:]
            fall, error = curve.fall(quarter)
            assert fall == pytest.approx(early.mean() - last.mean(), abs=1e-12)
            if late > 1:
                spread = early.var(ddof=1) / late + last.var(ddof=1) / late
                assert error == pytest.approx(math.sqrt(spread), rel=1e-9)


@pytest.mark.parametrize("quarter", [0, 2])
def test_a_straight_fall_is_as_steep_in_fewer_steps(quarter: int) -> None:
    slope = record(3, steps=STEPS, loss=3.0 - 1e-3 * np.arange(STEPS + 1))
    whole, few = (loss_curve.training_curve(r).fall(quarter)[0] for r in (slope, sparse(slope)))
    assert few == pytest.approx(whole, rel=0.15)


def test_the_path_of_the_weights_counts_steps_that_were_not_recorded() -> None:
    """Updates that get smaller: the rows of the dense start would count too much."""
    ratios = 1e-2 / np.sqrt(np.maximum(1, np.arange(STEPS + 1)))[:, None]
    made = record(3, steps=STEPS, update=ratios)
    expected = float(ratios[1:].sum())
    assert loss_curve.path_length(made) == pytest.approx(expected, rel=1e-9)
    assert loss_curve.path_length(sparse(made)) == pytest.approx(expected, rel=0.05)


def late_flip(at: int, before: object, after: object) -> np.ndarray:
    return over_time(STEPS + 1, (0, before), (at, after))  # type: ignore[arg-type]


CASES: dict[str, Callable[[], RunRecord]] = {
    "flat": lambda: record(steps=STEPS, loss=2.303 + 0.02 * UNIT),
    "falls": lambda: record(steps=STEPS, loss=2.3 * np.exp(-np.arange(STEPS + 1) / 300.0)),
    "falls_late": lambda: record(
        steps=STEPS, loss=np.where(np.arange(STEPS + 1) < 400, 2.3, 0.6) + 0.02 * UNIT
    ),
    "diverges_at_half": lambda: record(
        steps=STEPS, loss=np.where(np.arange(STEPS + 1) < 250, 2.3, 9.0) + 0.02 * UNIT
    ),
    "calms_down": lambda: record(
        steps=STEPS, loss=0.5 + np.where(np.arange(STEPS + 1) < 400, 3.0, 0.01) * np.abs(UNIT)
    ),
    "vanishes_since_the_start": lambda: record(steps=STEPS, delta=geometric(1e5)),
    "vanishes_late": lambda: record(
        steps=STEPS, delta=late_flip(420, np.ones(5), geometric(1e5)), loss=2.3 + 0.02 * UNIT
    ),
    "recovers_at_half": lambda: record(
        steps=STEPS, delta=late_flip(300, geometric(1e5), np.ones(5)), loss=2.3 + 0.02 * UNIT
    ),
    "overwritten_at_first": lambda: record(steps=STEPS, update=late_flip(300, 0.5, 1e-3)),
    "frozen_late": lambda: record(steps=STEPS, update=late_flip(400, 1e-3, 1e-9)),
}


@pytest.mark.parametrize("name", CASES)
def test_verdicts_are_those_of_every_step(name: str) -> None:
    made = CASES[name]()
    whole, few = diagnose(made), diagnose(sparse(made))
    of_all = {v.name: (v.status, [f.severity for f in v.findings]) for v in whole.verdicts}
    of_few = {v.name: (v.status, [f.severity for f in v.findings]) for v in few.verdicts}
    assert of_few == of_all
    assert few.verdict == whole.verdict


@pytest.mark.parametrize(
    ("steps", "asked_for"),
    [
        ([0, 1, *range(50, 601, 50)], ("measure_more_steps", (("training.record_every", 6),))),
        ([0, 1, 50, 60], ("measure_more_steps", (("training.record_every", 1),))),
        (range(31), ("train_longer", (("training.steps", 100),))),
    ],
)
def test_where_enough_steps_were_made_more_of_them_are_to_be_measured(
    steps: list[int], asked_for: object
) -> None:
    diagnosis = diagnose(record(3, steps=steps, loss=2.3))
    assert diagnosis.verdict == "inconclusive"
    [remedy] = diagnosis.remedies
    assert (remedy.action, remedy.settings) == asked_for
