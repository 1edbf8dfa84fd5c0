"""Where a value was lost: the operation, the layer and the remedy, and silence where none was."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import gradscope
from gradscope.record import OutcomeStatus, RunRecord
from gradscope.record.nonfinite_origin import OriginPlace
from gradscope.reporters.remedies.reader import reader_of
from gradscope.reporters.remedies.wording import remedies_text
from tests.runner.nonfinite.programs import PROGRAMS, Program, log_of_one, norm_at_zero

pytestmark = pytest.mark.tensorflow


def measured(program: Program, *, repaired: bool) -> RunRecord:
    keras.utils.set_random_seed(1)
    model, data = program.build(repaired)
    config = {"training": {"steps": program.steps}, "seed": 1}
    return gradscope.run(config, model=model, data=data)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.build.__name__)
def test_the_operation_that_lost_the_value_is_named(program: Program) -> None:
    record = measured(program, repaired=False)
    origin = record.nonfinite_origin
    assert origin is not None and not origin.fault, origin
    assert (origin.place, origin.kind) == (program.place, program.kind), origin
    assert program.layer in (origin.layer, "*"), origin
    diagnosis = gradscope.analyze(record).diagnosis
    lead = diagnosis.verdicts[0]
    assert lead.code == "GS501"
    said = f"{diagnosis.headline} {lead.findings[0].cause_details}"
    assert all(words in said for words in program.words), said
    advice = remedies_text(diagnosis.remedies, reader_of(record))
    assert program.remedy in advice if program.remedy else not advice, advice
    if program.remedy != "learning_rate":
        assert "learning_rate" not in advice and "learning rate" not in advice
    assert not any(f.remedies for v in diagnosis.verdicts[1:] for f in v.findings if f.caused_by)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(program, marks=[pytest.mark.long("2 s each")] * bool(at % 4))
        for at, program in enumerate(PROGRAMS)
    ],
    ids=lambda p: p.build.__name__,
)
def test_the_repaired_network_loses_nothing(program: Program) -> None:
    record = measured(program, repaired=True)
    assert record.outcome.status is OutcomeStatus.COMPLETE
    assert record.nonfinite_origin is None
    verdict = {v.code: v for v in gradscope.analyze(record).diagnosis.verdicts}["GS501"]
    assert not verdict.findings
    assert all(np.isfinite(record.scalars["loss"]))


def test_counts_are_those_of_the_batch() -> None:
    """The samples of the first batch that are all zero, by numpy's own count."""
    keras.utils.set_random_seed(1)
    model, (x, y) = norm_at_zero(False)
    x, y = x[:32], y[:32]
    record = gradscope.run({"training": {"steps": 2, "batch_size": 32}}, model=model, data=(x, y))
    origin = record.nonfinite_origin
    assert origin is not None and origin.operand is not None
    # Some units of relu(W x) are positive for any x other than 0 here: only zero samples give 0.
    assert origin.count == origin.operand.zeros == int((x == 0).all(axis=1).sum())
    assert origin.per_sample and origin.operand.size == 32


def test_the_step_before_an_unmeasured_one_is_trained_again() -> None:
    """With record_every, the failing step is not recorded: weights before it are made again."""
    keras.utils.set_random_seed(1)
    model, data = log_of_one(False)
    config = {"training": {"steps": 400, "record_every": 50}, "seed": 1}
    record = gradscope.run(config, model=model, data=data)
    every = gradscope.run({"training": {"steps": 400}, "seed": 1}, model=_fresh(), data=data)
    assert record.nonfinite_origin == every.nonfinite_origin is not None
    assert record.nonfinite_origin.place is OriginPlace.LOSS


def _fresh() -> keras.Model:
    keras.utils.set_random_seed(1)
    return log_of_one(False)[0]


def test_what_is_trained_is_left_as_training_left_it() -> None:
    """The weights after a diverged run are those of the same steps without a search."""
    weights = []
    for locate in (True, False):
        keras.utils.set_random_seed(1)
        model, data = log_of_one(False)
        with pytest.MonkeyPatch.context() as patch:
            if not locate:
                patch.setattr("gradscope.runner.nonfinite.replay.KEPT_BYTES", 0)
            record = gradscope.run({"training": {"steps": 400}, "seed": 1}, model=model, data=data)
        assert (record.nonfinite_origin is not None) is locate
        weights.append([np.asarray(weight) for weight in model.get_weights()])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_failure_to_locate_costs_the_operation_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("gradscope.runner.nonfinite.origin._located", fail)
    record = measured(PROGRAMS[0], repaired=False)
    assert record.nonfinite_origin is not None
    assert record.nonfinite_origin.place is OriginPlace.UNKNOWN
    report = gradscope.analyze(record)
    (finding,) = report.diagnosis.verdicts[0].findings
    assert "backward pass of hidden" in finding.message
    assert "crashed (RuntimeError: planted)" in finding.cause_details
