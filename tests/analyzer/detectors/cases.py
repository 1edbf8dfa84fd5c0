"""For every detector: records it must pass, records it must find, and both sides of each limit."""

from __future__ import annotations

from tests.analyzer.detectors import (
    cases_of_constraints,
    cases_of_draws,
    cases_of_flat_answers,
    cases_of_learning,
    cases_of_lost_input,
    cases_of_norms,
    cases_of_numbers,
    cases_of_objectives,
    cases_of_outputs,
    cases_of_positions,
    cases_of_slow_targets,
    cases_of_starts,
    cases_of_training,
    cases_of_units,
    cases_over_depth,
    cases_over_time,
)
from tests.analyzer.detectors.case import Case

CASES: tuple[Case, ...] = (
    *cases_over_depth.profiles(),
    *cases_over_time.through_time(),
    *cases_of_units.saturated(),
    *cases_of_units.dead(),
    *cases_of_units.few_left(),
    *cases_of_training.frozen(),
    *cases_of_training.nearly_frozen(),
    *cases_of_training.unstable(),
    *cases_of_training.non_finite(),
    *cases_of_training.unscaled(),
    *cases_of_norms.normalization(),
    *cases_of_starts.starts(),
    *cases_of_numbers.numbers(),
    *cases_of_outputs.outputs(),
    *cases_of_learning.learning(),
    *cases_of_objectives.objectives(),
    *cases_of_lost_input.lost(),
    *cases_of_constraints.constrained(),
    *cases_of_flat_answers.flat(),
    *cases_of_positions.read(),
    *cases_of_slow_targets.on_their_way(),
    *cases_of_draws.departed(),
    *cases_of_draws.designed(),
)
