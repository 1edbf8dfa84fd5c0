"""The loss beside a constant answer's on the same batches, against plain numpy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.curves.constant_loss import paired_loss
from gradscope.record import RunRecord
from tests.analyzer.synthetic import record

RNG = np.random.default_rng(3)


def paired(loss: np.ndarray, constant: np.ndarray) -> RunRecord:
    made = record(3, steps=len(loss) - 1, loss=loss)
    return replace(made, scalars=made.scalars | {"constant_loss": constant})


def test_the_scatter_of_batches_cancels() -> None:
    hard = RNG.normal(6.0, 1.2, 401)
    gain = RNG.normal(-0.02, 0.01, 401)
    found = paired_loss(paired(hard + gain, hard))
    assert found is not None
    late = gain[-100:]
    assert found.batches == 100
    assert found.difference == pytest.approx(late.mean(), rel=1e-9)
    assert found.error == pytest.approx(late.std(ddof=1) / 10.0, rel=1e-9)
    assert found.loss - found.constant == pytest.approx(found.difference)
    assert found.error < np.std((hard + gain)[-100:]) / 10.0 / 30.0


def test_batches_without_a_constant_or_a_finite_loss_are_left_out() -> None:
    loss, constant = np.arange(9.0), np.zeros(9)
    loss[4], constant[8] = np.nan, np.nan
    found = paired_loss(paired(loss, constant))
    assert found is not None
    assert (found.batches, found.difference) == (2, 6.5)  # steps 6 and 7 of 1 2 3 5 6 7
    alone = paired_loss(paired(np.array([5.0, 3.0]), np.array([1.0, 1.0])))
    assert alone is not None
    assert (alone.batches, alone.difference, alone.error) == (1, 2.0, math.inf)


def test_without_constants_there_is_nothing_to_compare() -> None:
    assert paired_loss(record(3)) is None
    assert paired_loss(paired(np.ones(9), np.full(9, np.nan))) is None
