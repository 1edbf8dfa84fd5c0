"""The training loop of a model that trains itself: its own `train_step`, step by step, measured."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.config.experiment import ExperimentConfig
from gradscope.record import STATISTICS, OutcomeStatus
from gradscope.record.builder import NO_TIMES, Beginning
from gradscope.record.fault import Faults
from gradscope.runner.loop.listener import Listener, TrainingEnd
from gradscope.runner.loop.training import Experiment
from gradscope.runner.network.workload import Workload
from gradscope.runner.objective.objective_facts import objective_info
from gradscope.runner.runtime import device
from gradscope.runner.sources.user_code import attributed_to_user
from gradscope.runner.survey.initial_weights import initial_weights
from gradscope.runner.train_step.own_steps import element_of
from gradscope.runner.train_step.trace import MeasuredProfile, ProfileInfo


class OwnExperiment(Experiment):
    """A model with a `train_step` of its own, trained by it as `model.fit` does.

    Each gradient that the step takes has a profile; the listener receives the first, and those that
    it gives for the others by ``profile(name)``. Dead units and distributions are those of a batch.
    """

    def __init__(self, config: ExperimentConfig, workload: Workload) -> None:
        assert workload.own_step is not None
        self.config, self.workload, self.measure = config, workload, True
        self.model, self.sites = workload.model, workload.sites
        self.optimizer, self.jit = workload.optimizer, False
        self.device = device.choose_device(config.device)
        self._trace = workload.own_step
        self.feed = workload.feed.with_seed(config.seed)
        self._rows = 0

    def beginning(self) -> Beginning:
        """What is known of the first profile before the first step."""
        return self._beginning(self._trace.profiles[0])

    def _beginning(self, info: ProfileInfo) -> Beginning:
        config = self.config
        optimizer = info.optimizer or self.model.optimizer
        several = len(self._trace.profiles) > 1
        return Beginning(
            name=f"{config.name}.{info.name}" if info.name else config.name,
            layers=info.sites.layers,
            environment=self._environment(jit=bool(self.model.jit_compile)),
            data=self.workload.data,
            config=config.to_dict(),
            batch_size=self.feed.batch_size,
            probe_samples=self.feed.batch_size,
            steps_requested=self.steps,
            objective=replace(objective_info("", self.model, optimizer), one_of_several=several),
            initial_weights=initial_weights(self.model, info.sites),
        )

    def train(self, listener: Listener) -> TrainingEnd:
        """Train by the model's own step, and send what was measured of every recorded one."""
        return self._train(listener, self.steps)

    def first_step(self, listener: Listener) -> TrainingEnd:
        """Take the first step alone."""
        end = self._train(listener, 1)
        complete = end.status is OutcomeStatus.COMPLETE
        return replace(end, sentence="the first step only") if complete else end

    def _train(self, listener: Listener, steps: int) -> TrainingEnd:
        listeners, faults = self._listeners(listener), Faults()
        self.model.make_train_function()
        batches = self.feed.iterate()
        for step in range(1, steps + 1):
            element = keras.tree.map_structure(
                lambda leaf: None if leaf is None else tf.convert_to_tensor(leaf),
                element_of(next(batches), self.feed),
            )
            recorded = step == steps or self._recorded(step)
            measured = self._trace.measure(element) if recorded else []
            with attributed_to_user("model", "its train_step"):
                logs = self.model.train_function(iter((element,)))
            self._send(listeners, measured, step, faults, last=step == steps)
            finite = all(profile.finite for profile in measured)
            if not (finite and _finite(logs)):
                if not measured:
                    self._send_lost(listeners, step)
                sentence = f"stopped at step {step} of {steps}: a non-finite value appeared"
                return TrainingEnd(OutcomeStatus.DIVERGED, sentence, {}, None, faults.collected)
        return TrainingEnd(OutcomeStatus.COMPLETE, f"{steps} steps", {}, faults=faults.collected)

    def _listeners(self, listener: Listener) -> list[Listener]:
        """The listener of each profile."""
        listeners = [listener]
        for info in self._trace.profiles[1:]:
            other = listener.profile(info.name)
            other.begin(self._beginning(info))
            listeners.append(other)
        return listeners

    def _send(
        self,
        listeners: list[Listener],
        measured: list[MeasuredProfile],
        step: int,
        faults: Faults,
        *,
        last: bool,
    ) -> None:
        """Send a measured step, and its distributions at the 1st, 2nd, 4th, 8th ... of them."""
        if not measured:
            return
        self._rows += 1
        look = self._rows & (self._rows - 1) == 0 or last
        for listener, profile in zip(listeners, measured, strict=True):
            listener.step(step, profile.statistics, profile.scalars, NO_TIMES)
            if look:
                with faults.isolated("distributions"):
                    profile.distributions().send(step, listener)

    def _send_lost(self, listeners: list[Listener], step: int) -> None:
        for listener, info in zip(listeners, self._trace.profiles, strict=True):
            nothing = np.full((len(STATISTICS), len(info.sites.layers)), math.nan)
            listener.step(step, nothing, (math.nan, math.nan, math.nan), NO_TIMES)


def _finite(logs: Any) -> bool:
    """Whether the numbers that a step returns are finite."""
    leaves = keras.tree.flatten(logs)
    values = [np.asarray(leaf) for leaf in leaves if leaf is not None]
    return all(bool(np.all(np.isfinite(v))) for v in values if v.dtype.kind == "f")
