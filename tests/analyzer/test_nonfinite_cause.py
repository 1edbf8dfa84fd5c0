"""What a located operation says of a lost value, and when the learning rate is to blame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.record import Action, Finding, RunRecord
from gradscope.record.nonfinite_origin import (
    InvalidValue,
    NonFiniteOrigin,
    OperationKind,
    OriginPlace,
    ValueRange,
)
from tests.analyzer.synthetic import over_time, record

FORWARD, BACKWARD, LOSS = OriginPlace.FORWARD, OriginPlace.BACKWARD, OriginPlace.LOSS
SMALL = ValueRange(32, "float32", 0.0, 1.0, 3)
HUGE = ValueRange(32, "float32", -4.0, 95.0, 0)


def found(made: RunRecord) -> Finding:
    (finding,) = DETECTORS["non_finite"](made)
    return finding


def lost(origin: NonFiniteOrigin | None, **more: object) -> RunRecord:
    """A record that lost a value at step 40, by `origin`."""
    made = record(broken={"backward": (40, 2, 3)}, **more)  # type: ignore[arg-type]
    return replace(made, nonfinite_origin=origin)


def at(place: OriginPlace, kind: OperationKind, **more: object) -> NonFiniteOrigin:
    facts = {"layer": "hidden_2", "operation": "sqrt", "dtype": "float32", "count": 3}
    facts |= {"per_sample": True, "operand": SMALL, **more}
    return NonFiniteOrigin(40, place, kind=kind, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("origin", "sentence", "action"),
    [
        (
            at(BACKWARD, OperationKind.ROOT),
            "hidden_2 takes sqrt at 0 for 3 samples, whose derivative is infinite there.",
            Action.ADD_INSIDE_ROOT,
        ),
        (
            at(FORWARD, OperationKind.ROOT, operand=HUGE),
            "hidden_2 takes sqrt of negative numbers (down to -4) for 3 samples.",
            Action.ADD_INSIDE_ROOT,
        ),
        (
            at(LOSS, OperationKind.LOGARITHM, layer="", operation="log", answer_edge=1.0),
            "The answers reached exactly 1 for 3 samples: the loss takes log(0).",
            Action.CLIP_BEFORE_LOG,
        ),
        (
            at(FORWARD, OperationKind.LOGARITHM, operation="log", per_sample=False, count=1),
            "hidden_2 takes log of 0 for 1 value.",
            Action.ADD_INSIDE_LOG,
        ),
        (
            at(FORWARD, OperationKind.DIVISION, layer=""),
            "The model divides by 0 for 3 samples.",
            Action.BOUND_DIVISOR,
        ),
        (
            at(FORWARD, OperationKind.EXPONENTIAL, operation="exp", operand=HUGE),
            "hidden_2 takes exp of up to 95 for 3 samples, and float32 holds it up to 88.7 only.",
            Action.BOUND_EXPONENT,
        ),
        (
            at(FORWARD, OperationKind.SOFTMAX, operation="softmax"),
            "hidden_2 takes softmax of -Inf alone for 3 samples.",
            Action.FINITE_MASK,
        ),
        (
            at(FORWARD, OperationKind.EMPTY_MEAN),
            "hidden_2 takes the mean of no values.",
            Action.COUNT_AT_LEAST_ONE,
        ),
        (
            at(FORWARD, OperationKind.OVERFLOW, dtype="float16", layer_inputs=HUGE),
            "hidden_2 computes in float16, whose largest number is 65,504; its inputs are within "
            "95.",
            Action.COMPUTE_IN_FLOAT32,
        ),
        (
            at(BACKWARD, OperationKind.OTHER, operation="cholesky"),
            "It comes from the derivative of cholesky in hidden_2, whose arguments are finite.",
            None,
        ),
    ],
)
def test_each_kind_has_its_sentence_and_its_remedy(
    origin: NonFiniteOrigin, sentence: str, action: Action | None
) -> None:
    finding = found(lost(origin))
    assert finding.cause == sentence
    assert [remedy.action for remedy in finding.remedies] == ([] if action is None else [action])
    assert finding.layers == ((origin.layer,) if origin.layer else ())


def test_data_is_named_as_a_run_refuses_it() -> None:
    invalid = InvalidValue("training inputs", 4, (7,), "nan", 32, 640)
    finding = found(lost(NonFiniteOrigin(1, OriginPlace.DATA, invalid=invalid)))
    assert finding.cause == (
        "Data: sample 4 (counted from 0) of the training inputs has the value nan at 7; "
        "32 such sample(s) among 640."
    )
    assert [remedy.action for remedy in finding.remedies] == [Action.REPAIR_DATA]


def test_large_updates_make_an_overflow_one_of_the_learning_rate() -> None:
    origin = at(FORWARD, OperationKind.OVERFLOW, operand=HUGE)
    still = found(lost(origin))
    assert not still.remedies and "Step" not in still.cause
    large = found(lost(origin, update=over_time(41, (0, 1e-3), (38, 0.4))))
    assert [remedy.action for remedy in large.remedies] == [Action.LOWER_LEARNING_RATE]
    assert "Step 38 changed hidden_1 by 0.4 of its size" in large.cause


def test_an_old_update_is_named_only_where_it_is_as_large_as_the_weights() -> None:
    def cause(update: float) -> str:
        early = over_time(41, (0, 1e-3), (5, update), (6, 1e-3))
        return found(lost(None, update=early)).cause

    assert cause(0.4) == ""
    assert "Step 5" in cause(3.0)


def test_small_updates_and_a_small_loss_rule_the_learning_rate_out() -> None:
    falling = np.linspace(2.5, 1e-6, 41)
    assert not found(lost(None, update=0.02, loss=falling)).remedies
    rising = found(lost(None, update=0.02, loss=falling[::-1]))
    assert [remedy.action for remedy in rising.remedies] == [Action.LOWER_LEARNING_RATE]


def test_steps_that_were_not_measured_leave_a_range() -> None:
    made = record(steps=(0, 1, 10, 20), broken={"forward": (3, 1, 3)}, loss=[3, 3, 2, 1])
    finding = found(made)
    assert "after step 10 and by step 20" in finding.message
    assert [remedy.action for remedy in finding.remedies] == [Action.MEASURE_EVERY_STEP]
    weights = NonFiniteOrigin(20, OriginPlace.WEIGHTS, "hidden_1", last_finite_step=10)
    located = found(replace(made, nonfinite_origin=weights))
    assert "after step 10 and by step 20, first in the weights of hidden_1" in located.message
    exact = replace(at(LOSS, OperationKind.LOGARITHM), step=20)
    assert "at step 20," in found(replace(made, nonfinite_origin=exact)).message


def test_frozen_layers_are_silent_where_every_update_was_left_out() -> None:
    made = record(update=0.0, loss=np.full(41, np.nan))
    made.series["nonfinite_count"][:] = 3.0
    with pytest.raises(Exception, match="no update was made"):
        DETECTORS["frozen_layers"](made)
    assert DETECTORS["frozen_layers"](record(update=0.0))


def test_the_layers_around_a_derivative_are_named() -> None:
    finding = found(lost(at(BACKWARD, OperationKind.ROOT)))
    assert "The gradient is finite at hidden_3 and not at hidden_2." in finding.cause_details
