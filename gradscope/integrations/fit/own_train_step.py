"""The measured steps of a model that trains itself: one record for each gradient that it takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.integrations.fit import batches
from gradscope.integrations.fit.description import BatchSummary, FitOptions, beginning
from gradscope.record import STATISTICS, InitialWeight, OutcomeStatus, RunRecord
from gradscope.record.builder import RecordBuilder
from gradscope.record.fault import Faults
from gradscope.runner.objective.objective_facts import objective_info
from gradscope.runner.survey.initial_weights import initial_weights
from gradscope.runner.train_step import own_steps
from gradscope.runner.train_step.trace import MeasuredProfile, ProfileInfo, TrainStepTrace
from gradscope.runner.train_step.trained_parts import TrainedParts


@dataclass
class _ProfileRows:
    """What was measured of one profile; `weights` are those before the first update."""

    info: ProfileInfo
    weights: tuple[InitialWeight, ...]
    builder: RecordBuilder = field(default_factory=RecordBuilder)
    faults: Faults = field(default_factory=Faults)

    def add(self, step: int, measured: MeasuredProfile, *, look: bool) -> None:
        """Add a measured step, and its distributions where it is time to look at them."""
        self.builder.step(step, measured.statistics, measured.scalars)
        if look:
            with self.faults.isolated("distributions"):
                measured.distributions().send(step, self.builder)


class TrainStepFit:
    """The profiles of one training: by a `train_step`, by a function of a loop, or by given losses.

    `make_step(parts)` gives the function of a batch that trains; `subject` is its name in messages.

    The record of a profile has the name ``<name>.<profile>``, as in ``fit.generator``; that of a
    step with one gradient for all of the model has the plain name.
    """

    def __init__(
        self, models: Any, make_step: Callable[[TrainedParts], own_steps.Step], subject: str
    ) -> None:
        self._parts = TrainedParts.from_models(models)
        self._model, self._subject = self._parts.models[0], subject
        self._make_step = make_step
        self._trace: TrainStepTrace | None = None
        self._summary: BatchSummary | None = None
        self._profiles: list[_ProfileRows] = []
        self.rows = 0

    @property
    def measured(self) -> bool:
        """Whether there is anything to make a record of."""
        return self.rows > 0

    @property
    def steps_done(self) -> int:
        """The latest step that was measured."""
        return max((p.builder.steps_done for p in self._profiles), default=0)

    def measure(self, step: int, element: Any, *, last: bool) -> bool:
        """Measure the step that is made on `element` next; return whether all was finite."""
        batch = keras.tree.map_structure(_present, element)
        trace = self._traced(batch)
        self.rows += 1
        look = self.rows & (self.rows - 1) == 0 or last
        measured = trace.measure(batch)
        for profile, result in zip(self._profiles, measured, strict=True):
            profile.add(step, result, look=look)
        return all(result.finite for result in measured)

    def add_lost(self, step: int, loss: float) -> None:
        """Note that the loss was lost between two measured steps."""
        for profile in self._profiles:
            nothing = np.full((len(STATISTICS), len(profile.info.sites.layers)), np.nan)
            profile.builder.step(step, nothing, (loss, math.nan, math.nan))

    def _traced(self, batch: Any) -> TrainStepTrace:
        """The traced step, made at the first batch."""
        if self._trace is None:
            step = self._make_step(self._parts)
            trace = TrainStepTrace(self._parts, step, [batch], subject=self._subject)
            many = isinstance(batch, tuple) and len(batch) > 3  # not (x, y, sample weights)
            parts = batches.unpack_batch((batch,) if many else batch)
            self._summary = BatchSummary.from_batch(parts)
            self._profiles = [_ProfileRows(info, self._weights(info)) for info in trace.profiles]
            self._trace = trace
        return self._trace

    def _weights(self, info: ProfileInfo) -> tuple[InitialWeight, ...]:
        weights = (initial_weights(model, info.sites) for model in self._parts.models)
        return tuple(weight for part in weights for weight in part)

    def records(
        self,
        options: FitOptions,
        outcome: tuple[int, OutcomeStatus, str],
        *,
        steps: int,
        seconds: float,
        untrained: bool,
        several: bool = False,
    ) -> dict[str, RunRecord]:
        """The record of each profile by its name; `outcome` is steps done, status and sentence.

        `several` says that there are profiles beside these.
        """
        assert self._summary is not None
        done, status, sentence = outcome
        records = {}
        for profile in self._profiles:
            info = profile.info
            name = f"{options.name}.{info.name}" if info.name else options.name
            described = beginning(
                replace(options, name=name), self._model, info.sites, self._summary, steps=steps
            )
            optimizer = info.optimizer or getattr(self._model, "optimizer", None)
            objective = objective_info("", self._model, optimizer)
            objective = replace(objective, one_of_several=several or len(self._profiles) > 1)
            profile.builder.begin(replace(described, objective=objective))
            profile.builder.faults = profile.faults.collected
            record = profile.builder.build(status, sentence, seconds)
            assert record is not None
            record = replace(
                record,
                outcome=replace(record.outcome, steps_done=done),
                initial_weights=profile.weights if untrained else (),
            )
            # Step 0 is the network as initialised, and this one had been trained before.
            records[info.name] = record if untrained else record.at_rows(slice(1, None))
        return records


def _present(leaf: Any) -> Any:
    """Keras's adapters pass on a missing array as an empty `Optional`."""
    missing = leaf is None or isinstance(leaf, tf.experimental.Optional)
    return None if missing else leaf
