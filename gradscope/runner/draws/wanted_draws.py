"""How often the weights of a workload are drawn again."""

from __future__ import annotations

from typing import Any

from gradscope.config.experiment import ExperimentConfig
from gradscope.config.sections.training import DEFAULT_DRAWS

FEWEST_STEPS = 100
"""Steps from which draws are made without being asked for: K draws cost about as much as K of them,
so that they take at most a quarter of the run beside their trace."""


def wanted_draws(config: ExperimentConfig, work: Any, steps: int) -> int:
    """The number of draws that `training.draws` asks for.

    ``auto`` draws for a model of the user on which theory has no closed form, in a training of
    `FEWEST_STEPS` or more: a shorter one would take longer than without them by half and more.
    """
    if work.own_step is not None:
        return 0
    draws = config.training.draws
    if draws != "auto":
        return int(draws)
    closed_form = work.built is not None or work.data.geometry is not None
    return 0 if closed_form or steps < FEWEST_STEPS else DEFAULT_DRAWS
