"""The facts of loss, targets and variables: what is kept, and what older records say."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np

from gradscope.record import (
    AnswerScale,
    ConstantAnswer,
    LossValues,
    ObjectiveStart,
    TargetDependence,
    TargetOrder,
    TargetSummary,
    UnknownVariables,
    WeightCounts,
    storage,
)
from gradscope.record.builder import RecordBuilder
from tests.analyzer.synthetic import record
from tests.runner.process.test_messages import LAYERS, STATISTICS, beginning

FACTS = ObjectiveStart(
    dependence=TargetDependence(1.0 / 3.0, 0.5, 0.9, (32,), (32, 1)),
    values=LossValues(2.4, None, 0.1 + 0.2, 1e-310),
    constant=ConstantAnswer((0.1, 0.9), 0.7, 100, 2000),
    scale=AnswerScale(0.35, 170_000.0, 170_001.0, None, 0.0),
    weights=WeightCounts(6, 4, 100, 90, ("dense",), (UnknownVariables("mine", 2, 320, True),)),
    targets=TargetSummary("indices", 1, 0.0, 1.0, 0.5, 0.25, (0.5, 0.5), 32, 0.5),
    order=TargetOrder(0.4, 12),
    unmeasured={"values": "ValueError: no"},
)


def test_the_facts_come_back_from_json() -> None:
    for facts in (FACTS, ObjectiveStart(unmeasured={"dependence": "why"}), ObjectiveStart()):
        assert ObjectiveStart.from_json(json.loads(json.dumps(asdict(facts)))) == facts


def test_a_record_keeps_them_and_an_older_one_has_none() -> None:
    made = replace(record(3), objective_start=FACTS)
    assert storage.loads(storage.dumps(made)).objective_start == FACTS
    assert storage.loads(storage.dumps(record(3))).objective_start is None
    assert np.isnan(record(3).constant_loss).all()


def test_the_constant_s_losses_stand_beside_the_steps() -> None:
    builder = RecordBuilder()
    builder.begin(beginning())
    builder.start(FACTS)
    for step in (1, 4, 9):
        builder.step(step, np.ones((len(STATISTICS), LAYERS)), (1.0, 0.5, 0.1))
    assert "constant_loss" not in builder.build("partial", "s", 1.0).scalars  # type: ignore[union-attr]
    builder.constant_losses({1: 0.25, 2: 7.0, 9: 0.75})
    built = builder.build("partial", "s", 1.0)
    assert built is not None
    np.testing.assert_array_equal(built.constant_loss, [0.25, 0.25, np.nan, 0.75])
    assert built.objective_start == FACTS
    back = storage.loads(storage.dumps(built))
    np.testing.assert_array_equal(back.constant_loss, built.constant_loss)
