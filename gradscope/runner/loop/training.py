"""The training loop: a network built and traced once, trained and measured from any seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.config.experiment import ExperimentConfig, OptimizerSpec
from gradscope.errors import BadRequest
from gradscope.record import STATISTICS, Environment, ObjectiveStart, OutcomeStatus
from gradscope.record.builder import Beginning
from gradscope.record.fault import Faults
from gradscope.record.run_record import Floats
from gradscope.runner.draws.measured_draws import DrawnModel, measure_draws
from gradscope.runner.draws.wanted_draws import wanted_draws
from gradscope.runner.loop import evaluation, feeding, final_answers, memory_estimate, pace, probe
from gradscope.runner.loop.listener import Listener, TrainingEnd
from gradscope.runner.loop.read_positions import read_positions
from gradscope.runner.network.workload import Workload
from gradscope.runner.nonfinite import replay
from gradscope.runner.nonfinite.origin import Training
from gradscope.runner.objective import input_variety, starts, target_order
from gradscope.runner.objective.objective_facts import objective_info
from gradscope.runner.objective.output_losses import parts_of
from gradscope.runner.runtime import device, preserved_state
from gradscope.runner.runtime.trace_by_shape import TraceByShape
from gradscope.runner.sources.arrays import ArrayBatches
from gradscope.runner.sources.batches import Batch
from gradscope.runner.step import measured_step, power_histograms
from gradscope.runner.survey.initial_weights import initial_weights
from gradscope.runner.survey.sites import SiteMap

PAIRED_STEPS = 800
"""Steps of a run at which the loss of the constant answer is taken on the same batch: a quarter of
them gives the difference to a fourteenth of its scatter; each takes about 0.2 ms."""

COUNTS_PER_CALL = 2**24
"""Counts of powers of two that one call may give: 64 MiB."""

BYTES_PER_CALL = 2**26
"""Bytes of the batches that one call takes, where one batch is not more: they are held twice."""

_NONFINITE = list(STATISTICS).index("nonfinite_count")


class Experiment:
    """A workload as a traced training loop.

    It is built and traced once; `reset` draws new weights from another seed in place.
    """

    def __init__(
        self, config: ExperimentConfig, workload: Workload, *, measure: bool = True
    ) -> None:
        self.config = config
        self.workload = workload
        self.measure = measure
        self.device = device.choose_device(config.device)
        self.model, self.sites = workload.model, workload.sites
        self.objective, self.optimizer = workload.objective, workload.optimizer
        self.optimizer.build(self.model.trainable_variables)
        self._passes: dict[str, Any] = {}
        self._optimizer_start = [preserved_state.compact_value(v) for v in self.optimizer.variables]
        self.jit = pace.compiles(config, self.sites, self.steps, self.device)
        self.run_chunk = self._traced()
        self._start = starts.Starts(self.model, self.objective)
        self._targets: Any = None
        if self.device == "cpu":
            memory_estimate.refuse_too_large(self.sites, workload.feed.batch_size)
        self.probe = probe.Probe(self.model, self.sites, self.objective, self.optimizer)
        self.draws = wanted_draws(config, workload, self.steps) if measure else 0
        self.reset(config.seed)

    def _traced(self) -> TraceByShape:
        """The training loop over one chunk, traced when it is first called."""
        plain = measured_step.plain_step(self.model, self.objective, self.optimizer)
        if not self.measure:
            return measured_step.chunked_steps(
                plain, plain, measured_step.RowWidths(), jit=self.jit
            )
        training, sites = self.config.training, self.sites
        powers = training.histogram_every is not None
        options = measured_step.MeasurementOptions(self.jit, training.gradient_noise, powers)
        measured = measured_step.measured_step(
            self.model, sites, self.objective, self.optimizer, options
        )
        layers, outputs = len(sites.layers), len(parts_of(self.objective))
        counts = power_histograms.count_size(layers) if powers else 0
        return measured_step.chunked_steps(
            measured,
            plain if training.record_every > 1 else None,
            measured_step.RowWidths(layers, 2 * outputs + sites.time_steps, counts),
            jit=self.jit,
        )

    @property
    def steps(self) -> int:
        """Training steps of the config; an epoch is every whole batch once."""
        training = self.config.training
        if training.steps is not None:
            return training.steps
        per_epoch = self.workload.feed.steps_per_epoch
        if per_epoch is None:
            raise BadRequest(
                "training.epochs: the data does not say how long an epoch is",
                "set training.steps instead",
            )
        return int(training.epochs or 0) * per_epoch

    def reset(self, seed: int) -> None:
        """Draw every weight again from `seed`, and reset the optimizer and batch norms.

        A model of the user keeps its weights: only building it again draws new ones.
        """
        self._facts = [ObjectiveStart()]
        self._order, self._inputs = target_order.BatchTargets(), input_variety.BatchInputs()
        self.config = replace(self.config, seed=seed)
        self.feed = self.workload.feed.with_seed(seed)
        if self.workload.draw_weights is None:
            return
        self.workload.draw_weights(seed)
        for variable, start in zip(self.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(start)

    def take_over(self, config: ExperimentConfig, sites: SiteMap, workload: Workload) -> None:
        """Go on with a config of the same graph: `sites` and `workload` are those of the new one.

        The optimizer's start has the new learning rate; see `gradscope.runner.loop.reuse`.
        """
        self.config, self.sites, self.workload = config, sites, workload
        spec = config.training.optimizer
        assert isinstance(spec, OptimizerSpec)
        rate = self.optimizer._learning_rate
        self._optimizer_start = [
            np.asarray(spec.parameters["learning_rate"], start.dtype) if variable is rate else start
            for variable, start in zip(self.optimizer.variables, self._optimizer_start, strict=True)
        ]
        self.reset(config.seed)

    def beginning(self) -> Beginning:
        """Everything known before the first step."""
        config = self.config
        pieces = self.feed.probe_pieces(config.training.probe_samples)
        return Beginning(
            name=config.name,
            layers=self.sites.layers,
            environment=self._environment(jit=self.jit),
            data=self.workload.data,
            config=config.to_dict(),
            batch_size=self.feed.batch_size,
            probe_samples=sum(samples for _, samples in pieces),
            steps_requested=self.steps,
            objective=objective_info(self.objective.loss_name, self.model, self.optimizer),
            initial_weights=initial_weights(self.model, self.sites),
            outputs=starts.output_infos(self.objective, getattr(self.feed, "y", None)),
        )

    def _environment(self, *, jit: bool) -> Environment:
        return device.environment(
            self.config,
            device=self.device,
            jit=jit,
            threads=self.config.threads,
            dtype=device.dtype_of(self.model),
            data_hash=self.workload.data_hash,
        )

    def train(self, listener: Listener) -> TrainingEnd:
        """Train from the present weights, and send every recorded step to `listener`.

        Stops, as ``diverged``, at the first step with a non-finite value.
        """
        steps, chunk_pace = self.steps, pace.ChunkPace(compiled=self.jit)
        probe_steps = pace.probe_steps(steps) if self.measure else {}
        feed, step = feeding.Lookahead(self.feed.iterate()), 0
        recent, faults = self._recent_steps(), Faults()
        with faults.isolated("draws of the initial weights"):
            self._send_draws(feed.first, listener)
        while step < steps:
            if step + 1 in probe_steps:
                with faults.isolated("probe set"):
                    self.look(step + 1, probe_steps[step + 1], listener)
            ahead = min((at for at in probe_steps if at > step + 1), default=steps + 1)
            most = min(
                self._steps_per_call, max(1, BYTES_PER_CALL // feeding.batch_bytes(feed.first))
            )
            batches = feed.take(chunk_pace.steps(min(ahead - 1 - step, most)))
            recent.keep(batches, step)
            facts = None
            with faults.isolated("loss and targets at the start"):
                facts = None if step else self._facts_before(batches[0])
            with chunk_pace.timing(len(batches)):
                rows, scalars, counts = self.measured_chunk(batches, step)
            with faults.isolated("loss and targets at the start"):
                if facts is not None:
                    self._facts = self._start.after_first_update(facts, batches[0][0])
                    starts.send_starts(listener, self._facts)
            with faults.isolated("loss of a constant answer"):
                starts.send_constant_losses(listener, self._constant_losses(batches, step))
            for row, scalar, counted in zip(rows, scalars, counts, strict=True):
                step += 1
                self._send_counts(step, counted, listener)
                if self._send_step(step, row, scalar, listener):
                    continue
                sentence = f"stopped at step {step} of {steps}: a non-finite value appeared"
                located = recent.locate(step)
                return TrainingEnd(OutcomeStatus.DIVERGED, sentence, {}, located, faults.collected)
        with faults.isolated("answers to the probe set"):
            self._send_answers(listener)
        evaluation: dict[str, float] = {}
        with faults.isolated("test set"):
            evaluation = self.evaluate()
        return TrainingEnd(
            OutcomeStatus.COMPLETE, f"{steps} steps", evaluation, faults=faults.collected
        )

    def _send_answers(self, listener: Listener) -> None:
        """Send what the trained network answers to the probe set."""
        if not self.measure:
            return
        batch = self._prepared(self.feed.probe(self.config.training.probe_samples))
        order, inputs = self._order.order(), self._inputs.variety()
        positions = read_positions(self.model, batch[0], self.feed.batch_size)
        listener.start(replace(self._facts[0], order=order, inputs=inputs, positions=positions))
        final_answers.send(
            listener,
            self.model,
            batch,
            self.objective,
            batch_size=self.feed.batch_size,
            constant_losses=self._start.constant_losses,
            traced=self._passes,
        )

    def first_step(self, listener: Listener) -> TrainingEnd:
        """Take the first step alone: the network as initialised, and what its first update does."""
        faults = Faults()
        with faults.isolated("probe set"):
            self.look(1, False, listener)
        recent, batch = self._recent_steps(), next(self.feed.iterate())
        with faults.isolated("draws of the initial weights"):
            self._send_draws(batch, listener)
        facts = None
        with faults.isolated("loss and targets at the start"):
            facts = self._facts_before(batch)
        recent.keep([batch], 0)
        rows, scalars = self.chunk([batch], 0)
        with faults.isolated("loss and targets at the start"):
            if facts is not None:
                starts.send_starts(listener, self._start.after_first_update(facts, batch[0]))
        finite = self._send_step(1, rows[0], scalars[0], listener)
        status = OutcomeStatus.COMPLETE if finite else OutcomeStatus.DIVERGED
        located = None if finite else recent.locate(1)
        return TrainingEnd(status, "the first step only", {}, located, faults.collected)

    def _send_draws(self, first: Batch, listener: Listener) -> None:
        """Measure the model with its weights drawn again, where that is wanted."""
        if not self.draws:
            return
        wanted = self.config.training.probe_samples
        pieces = self.feed.probe_pieces(wanted)
        others = [batch for batch, samples in pieces if samples == self.feed.batch_size]
        work = self.workload
        drawn = DrawnModel(
            self.model, self.sites, self.objective, self.optimizer, work.laws, work.draw_weights
        )
        draws = measure_draws(
            drawn,
            [self._prepared(batch) for batch in (first, *others[: self.draws])],
            count=self.draws,
        )
        listener.draws(draws)

    def _recent_steps(self) -> replay.RecentSteps:
        """What the last steps started from, to make them again where a value was lost."""
        training = Training(self.model, self.objective, self.optimizer, self.sites)
        return replay.RecentSteps(training, self.measured_chunk, self._prepared)

    def _facts_before(self, batch: Batch) -> list[ObjectiveStart] | None:
        """Loss, targets and variables before the first update; None where nothing is measured."""
        if not self.measure:
            return None
        if self._targets is None:
            probed = self.feed.probe(self.config.training.probe_samples)
            _, y, weights = probed
            if isinstance(self.feed, ArrayBatches):
                y, weights = self.feed.y, self.feed.weights
            self._targets = (self.objective.prepare(y), weights)
        x, y, *rest = self._prepared(batch)
        return self._start.before((x, y, rest[0] if rest else None), *self._targets)

    def _constant_losses(self, batches: Sequence[Batch], done: int) -> dict[int, list[float]]:
        """`Starts.constant_losses` on these batches, at most `PAIRED_STEPS` of the run."""
        if not self.measure:
            return {}
        every = max(1, math.ceil(self.steps / self.config.training.record_every / PAIRED_STEPS))
        losses = {}
        for step, batch in enumerate(batches, done + 1):
            paired = step // self.config.training.record_every % every == 0
            if self._recorded(step) and (paired or step in {1, self.steps}):
                x, y, *rest = self._prepared(batch)
                self._order.add(y)
                self._inputs.add(x)
                losses[step] = self._start.constant_losses(y, rest[0] if rest else None)
        return losses

    def chunk(self, batches: Sequence[Batch], done: int) -> tuple[Floats, Floats]:
        """Train on `batches` after `done` steps; gives the rows and scalars of each."""
        rows, scalars, _ = self.measured_chunk(batches, done)
        return rows, scalars

    def measured_chunk(
        self, batches: Sequence[Batch], done: int
    ) -> tuple[Floats, Floats, npt.NDArray[np.int32]]:
        """Train on `batches` after `done` steps; gives the rows, scalars and counts of each."""
        prepared = [self._prepared(batch) for batch in batches]
        stacked = keras.tree.map_structure(lambda *arrays: np.stack(arrays), *prepared)
        steps = range(done + 1, done + 1 + len(batches))
        flags = [[self._recorded(step), self._counted(step)] for step in steps]
        rows, scalars, counts = self.run_chunk(
            keras.tree.map_structure(tf.convert_to_tensor, stacked), tf.constant(flags)
        )
        return rows.numpy(), scalars.numpy(), counts.numpy()

    def _prepared(self, batch: Batch) -> tuple[Any, ...]:
        """The batch as the loss needs it; without weights where there are none."""
        x, y, weights = batch
        y = self.objective.prepare(y)
        return (x, y) if weights is None else (x, y, weights)

    def _recorded(self, step: int) -> bool:
        every = self.config.training.record_every
        return step in {1, self.steps} or step % every == 0

    def _counted(self, step: int) -> bool:
        """Whether the powers of two are counted, as all is, at recorded steps only."""
        every = self.config.training.histogram_every
        return every is not None and self._recorded(step) and (step == 1 or step % every == 0)

    @property
    def _steps_per_call(self) -> int:
        """Most steps of a chunk whose counts stay within `COUNTS_PER_CALL`."""
        powers = self.config.training.histogram_every is not None
        size = power_histograms.count_size(len(self.sites.layers)) if powers else 1
        return max(1, COUNTS_PER_CALL // size)

    def _send_counts(self, step: int, counts: npt.NDArray[np.int32], listener: Listener) -> None:
        if self.measure and self._counted(step):
            snapshots = power_histograms.histograms(counts, len(self.sites.layers), step)
            for name, snapshot in snapshots.items():
                listener.histogram(name, snapshot)

    def _send_step(self, step: int, row: Floats, scalar: Floats, listener: Listener) -> bool:
        """Send one step if it is recorded; return whether all of it was finite."""
        finite, end = bool(math.isfinite(scalar[0])), len(scalar) - self.sites.time_steps
        recorded = self.measure and self._recorded(step)
        if recorded:
            finite = finite and not np.nansum(row[_NONFINITE]) > 0
            listener.step(step, row, tuple(scalar[:end].tolist()), scalar[end:])
        elif self.measure and not finite:
            absent = np.full_like(scalar[end:], np.nan)
            listener.step(step, np.full_like(row, np.nan), tuple(scalar[:end].tolist()), absent)
        return finite

    def evaluate(self) -> dict[str, float]:
        """Loss and accuracy on the test set, in inference mode.

        Where right answers are not counted, the loss beside that of the constant answer, too.
        """
        if self.feed.test is None:
            return {}
        test, size = self._prepared(self.feed.test), self.feed.batch_size
        figures = evaluation.evaluate(self.model, self.objective, test, size, traced=self._passes)
        if self.measure and "test_accuracy" not in figures:
            figures |= evaluation.excess_over_constant(
                self.model, self.objective, test, size, self._start.constant_loss
            )
        return figures

    def weights(self) -> list[npt.NDArray[np.float32]]:
        """Copies of all weights, batch norm's moving statistics included."""
        return [np.array(weight) for weight in self.model.get_weights()]

    def look(self, step: int, backward: bool, listener: Listener) -> None:
        """Measure the probe set with the weights that `step` starts from."""
        pieces = (
            (self._prepared(batch), samples)
            for batch, samples in self.feed.probe_pieces(self.config.training.probe_samples)
        )
        result = self.probe.look(pieces, backward=backward)
        listener.probe(step, result.dead)
        if backward:
            result.send_histograms(step, listener)
