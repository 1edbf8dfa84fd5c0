"""Which seeds of a config the user wants to have measured, and how long each is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest
from gradscope.gate import plan
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.measuring.engine import Engine
from gradscope.workflows.measuring.inputs import load_configs


@dataclass(frozen=True)
class SeedOptions:
    """`seeds` at initialisation, `trained_seeds` of them trained for `steps` steps.

    None leaves a number to the plan of the gate, or to the config; `at_init` trains none.
    """

    at_init: bool = False
    steps: int | None = None
    seeds: int | None = None
    trained_seeds: int | None = None

    def load_configs(
        self, sources: Sequence[str], overrides: Sequence[str]
    ) -> list[tuple[str, ExperimentConfig]]:
        """Read the configs, with `steps` in place of theirs."""
        if self.at_init and self.steps:
            raise BadRequest("--at-init trains nothing, so --steps has no effect", "leave one out")
        steps = [f"training.steps={self.steps}"] if self.steps else []
        return load_configs(sources, [*overrides, *steps])

    def for_check(
        self, config: ExperimentConfig, engine: Engine, baseline: SeedStatistics | None
    ) -> Seeds:
        """The seeds of a check."""
        planner = (
            plan.for_single_seed
            if engine.has_one_seed
            else partial(plan.for_check, baseline=baseline)
        )
        return self._planned(planner, config)

    def for_baseline(self, config: ExperimentConfig, engine: Engine) -> Seeds:
        """The seeds of a baseline."""
        return self._planned(
            plan.for_single_seed if engine.has_one_seed else plan.for_baseline, config
        )

    def _planned(self, planner: Callable[..., Seeds], config: ExperimentConfig) -> Seeds:
        return planner(config, at_init=self.at_init, seeds=self.seeds, trained=self.trained_seeds)
