"""Whether a plain training bears out the label of a case."""

from __future__ import annotations

from benchmarks.detectors.case import HEALTHY

LEARNS, FAILS = 0.6, 0.5
"""Shares of the skill of what it is compared with: a healthy case has to reach 0.6, a sick one must
not reach 0.5; in between the criterion does not decide."""

LITTLE = 0.2
"""Skill of what it is compared with from which a comparison can tell something."""


def answer(label: str, skill: float, compared: float) -> str:
    """``agrees``, ``contradicts`` or ``undecided``."""
    if compared <= LITTLE or FAILS * compared <= skill < LEARNS * compared:
        return "undecided"
    learns = skill >= LEARNS * compared
    return "agrees" if learns == (label == HEALTHY) else "contradicts"
