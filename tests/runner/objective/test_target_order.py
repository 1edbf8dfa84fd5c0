"""The order in which targets come, against closed forms of the analysis of variance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

RANDOM = np.random.default_rng(4)
BATCHES, SIZE = 40, 16
LABELS = RANDOM.integers(0, 4, BATCHES * SIZE)


def within(targets: Any, size: int = SIZE) -> Any:
    """The order of targets as they come, in batches of `size`."""
    from gradscope.runner.objective.target_order import BatchTargets

    seen = BatchTargets()
    for start in range(0, len(targets), size):
        seen.add(targets[start : start + size])
    return seen.order()


def test_targets_in_random_order(tensorflow_once: Any) -> None:
    """All variance lies within, up to the chance of 40 means: sqrt(2 / 39) / 16 is 0.014."""
    for targets in (
        LABELS,
        np.eye(4)[LABELS],
        RANDOM.normal(size=(640, 5, 3)),
        RANDOM.random((640, 20, 20, 1)) < 0.2,
    ):
        assert within(targets).within == pytest.approx(1.0, abs=5 * 0.014)
        assert within(targets).batches == BATCHES


def test_sorted_classes_leave_nothing_within(tensorflow_once: Any) -> None:
    order = np.argsort(LABELS, kind="stable")
    for targets in (LABELS[order], np.eye(4)[LABELS][order]):
        assert within(targets).within < 0.1  # of the batches, three hold two classes


def test_batches_that_share_half_of_their_variance(tensorflow_once: Any) -> None:
    """Means of variance 1 between batches, values of variance 1 around them."""
    means = RANDOM.normal(size=(4000, 1))
    targets = (means + RANDOM.normal(size=(4000, SIZE))).reshape(-1)
    assert within(targets).within == pytest.approx(0.5, abs=5 * 0.5 * np.sqrt(2 / 4000))


def test_what_tells_nothing_is_not_judged(tensorflow_once: Any) -> None:
    assert within(LABELS[: 7 * SIZE]) is None  # few batches
    assert within(LABELS, size=2) is None  # few samples
    assert within(np.zeros(640)) is None  # all alike
    assert within(np.array(["a", "b"] * 320)) is None
