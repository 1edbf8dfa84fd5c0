"""Units that are dead over many batches, against a count by hand."""

from __future__ import annotations

import numpy as np

from gradscope.integrations.living_units import LivingUnits


def test_a_unit_that_lived_once_is_alive_for_a_while() -> None:
    """Batches of 30: the first unit lives always, the second in the first batch only."""
    units = LivingUnits()
    states = []
    for batch in range(8):
        units.add(np.array([True, batch == 0, False]), 30)
        states.append((units.samples, units.alive.tolist()))
    assert states[0] == (30, [True, True, False])
    assert states[2] == (90, [True, True, False])
    # 90 of the latest 100 samples are silent for the second unit, then 120.
    assert states[3] == (100, [True, True, False])
    assert states[4] == (100, [True, False, False])
    assert states[7] == (120, [True, False, False])


def test_the_union_of_small_batches() -> None:
    """Each unit lives in one batch of ten only; together none is dead."""
    units = LivingUnits()
    for batch in range(10):
        units.add(np.arange(10) == batch, 16)
    assert units.samples == 100
    # The first four batches are more than 100 samples ago.
    assert units.alive.tolist() == [batch >= 3 for batch in range(10)]


def test_nothing_measured() -> None:
    assert LivingUnits().samples == 0
    assert LivingUnits().alive.size == 0
