"""The loop: a network built and traced once, trained and measured from any seed."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.config.experiment import ExperimentConfig
from gradscope.datasets.loading import fingerprint, summary
from gradscope.datasets.samples import Samples
from gradscope.record import STATISTICS, Histogram
from gradscope.record.builder import Beginning
from gradscope.record.run_record import Floats
from gradscope.runner import device, objective, probe, tape
from gradscope.runner.model import build
from gradscope.runner.seeds import derive

PROBES_PER_RUN = 10
"""Looks at the probe set per run, besides the first and the last step; each costs one forward pass."""


_NONFINITE = list(STATISTICS).index("nonfinite_count")


class Listener(Protocol):
    """Whoever wants to know what a run measures, while it measures."""

    def begin(self, beginning: Beginning) -> None: ...
    def step(self, step: int, statistics: Floats, scalars: Sequence[float]) -> None: ...
    def probe(self, step: int, dead_fraction: Floats) -> None: ...
    def histogram(self, name: str, snapshot: Histogram) -> None: ...


@dataclass(frozen=True)
class End:
    """How the loop ended: ``complete`` or ``diverged``, and the test figures after it."""

    status: str
    sentence: str
    evaluation: dict[str, float]


class Experiment:
    """A config and its data as a traced training step.

    Building and tracing are paid once; `reset` draws new weights from another seed in place.
    """

    def __init__(self, config: ExperimentConfig, samples: Samples, *, measure: bool = True) -> None:
        self.config = config
        self.device = device.choose(config.device)
        self.samples = samples
        self.measure = measure
        self.batch_size = min(config.training.batch_size, len(samples.x))
        width = 1 if samples.y.ndim == 1 else samples.y.shape[1]
        built = build(config, samples.x.shape[1:], samples.task, samples.classes, width)
        self.model, self._weights = built.model, built.weights
        self.sites = tape.survey_model(self.model, tf.TensorSpec(self._batch_shape, tf.float32))
        output = next(layer for layer in self.sites.layers if layer.role == "output")
        self.objective = objective.choose(
            config.training.loss, str(output.activation), int(output.units or 0), samples
        )
        self.optimizer = optimizer(config)
        self.optimizer.build(self.model.trainable_variables)
        self._optimizer_start = [variable.numpy() for variable in self.optimizer.variables]
        self.jit = config.training.jit == "on"
        self.run_chunk = self._traced()
        self.reset(config.seed)

    @property
    def _batch_shape(self) -> tuple[int, ...]:
        return (self.batch_size, *self.samples.x.shape[1:])

    def _traced(self) -> Any:
        """The training loop over one chunk, traced when it is first called."""
        plain = tape.plain_step(self.model, self.objective, self.optimizer)
        if not self.measure:
            return tape.chunked(plain, plain, 0, jit=self.jit)
        measured = tape.measured_step(self.model, self.sites, self.objective, self.optimizer)
        every = self.config.training.record_every
        return tape.chunked(
            measured, plain if every > 1 else None, len(self.sites.layers), jit=self.jit
        )

    @property
    def steps(self) -> int:
        """Training steps asked for; an epoch is every whole batch once."""
        training = self.config.training
        if training.steps is not None:
            return training.steps
        return int(training.epochs or 0) * (len(self.samples.x) // self.batch_size)

    def reset(self, seed: int) -> None:
        """Draw every weight anew from `seed`, and forget what the optimizer and batch norm know."""
        self.config = replace(self.config, seed=seed)
        for weight in self._weights:
            weight.draw(seed)
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                _reset_batch_norm(layer)
            elif isinstance(layer, keras.layers.Dropout) and layer.rate:
                start = [derive(seed, layer.name, "dropout"), 0]
                layer.seed_generator.state.assign(np.array(start, np.uint32))
        for variable, start in zip(self.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(start)

    def beginning(self) -> Beginning:
        """Everything known before the first step."""
        config = self.config
        return Beginning(
            name=config.name,
            layers=self.sites.layers,
            environment=device.environment(
                config,
                device=self.device,
                jit=self.jit,
                threads=config.threads,
                data_hash=fingerprint(self.samples),
            ),
            data=summary(self.samples, config.data.name, config.data.scaling),
            config=config.to_dict(),
            batch_size=self.batch_size,
            probe_samples=len(self._probe_indices()),
            steps_requested=self.steps,
        )

    def train(self, listener: Listener) -> End:
        """Train from the present weights, telling `listener` of every recorded step.

        Stops, as ``diverged``, at the first step that holds a non-finite value.
        """
        steps, pace = self.steps, Pace()
        looks = _probe_steps(steps) if self.measure else {}
        batches, step = self._batches(), 0
        while step < steps:
            if step + 1 in looks:
                self._probe(step + 1, looks[step + 1], listener)
            ahead = min(next((at for at in sorted(looks) if at > step + 1), steps + 1), steps + 1)
            count = pace.steps(ahead - 1 - step)
            indices = np.stack([next(batches) for _ in range(count)])
            with pace.timing(count):
                rows, scalars = self._chunk(indices, step)
            for row, scalar in zip(rows, scalars, strict=True):
                step += 1
                if self._take(step, row, scalar, listener):
                    continue
                sentence = f"stopped at step {step} of {steps}: a non-finite value appeared"
                return End("diverged", sentence, {})
        return End("complete", f"{steps} steps", self.evaluate())

    def _chunk(self, indices: npt.NDArray[np.int64], done: int) -> tuple[Floats, Floats]:
        """Train on the batches of `indices` [step, sample] after `done` steps."""
        count = len(indices)
        xs = tf.convert_to_tensor(self.samples.x[indices])
        ys = tf.convert_to_tensor(self.objective.targets[indices])
        wanted = [self._recorded(done + 1 + i) for i in range(count)]
        rows, scalars = self.run_chunk(xs, ys, tf.constant(wanted))
        return rows.numpy(), scalars.numpy()

    def _recorded(self, step: int) -> bool:
        every = self.config.training.record_every
        return step == 1 or step == self.steps or step % every == 0

    def _take(self, step: int, row: Floats, scalar: Floats, listener: Listener) -> bool:
        """Pass one step on if it is to be recorded; tells whether all of it was finite."""
        finite = bool(math.isfinite(scalar[0]))
        recorded = self.measure and self._recorded(step)
        if recorded:
            finite = finite and not np.nansum(row[_NONFINITE]) > 0
            listener.step(step, row, tuple(scalar.tolist()))
        elif self.measure and not finite:
            listener.step(step, np.full_like(row, np.nan), tuple(scalar.tolist()))
        return finite

    def evaluate(self) -> dict[str, float]:
        """Loss and accuracy on the test set, in inference mode."""
        if not len(self.samples.x_test):
            return {}
        outputs = self.model(self.samples.x_test, training=False)
        targets = tf.convert_to_tensor(self.objective.test_targets)
        figures = {"test_loss": float(self.objective.loss(targets, outputs))}
        if self.samples.task == "classification":
            figures["test_accuracy"] = float(self.objective.accuracy(targets, outputs))
        return figures

    def weights(self) -> list[npt.NDArray[np.float32]]:
        """Copies of all weights, batch norm's moving statistics included."""
        return [np.array(weight) for weight in self.model.get_weights()]

    def _batches(self) -> Iterator[npt.NDArray[np.int64]]:
        """Indices of each batch: whole epochs in a new order each, a partial last batch dropped."""
        random = np.random.default_rng(derive(self.config.seed, "batches"))
        per_epoch = len(self.samples.x) // self.batch_size
        for step in range(self.steps):
            place = step % per_epoch
            if place == 0:
                order = random.permutation(len(self.samples.x))
            yield order[place * self.batch_size : (place + 1) * self.batch_size]

    def _probe_indices(self) -> npt.NDArray[np.int64]:
        random = np.random.default_rng(derive(self.config.seed, "probe"))
        count = min(self.config.training.probe_samples, len(self.samples.x))
        return np.sort(random.choice(len(self.samples.x), count, replace=False))

    def _probe(self, step: int, backward: bool, listener: Listener) -> None:
        indices = self._probe_indices()
        x = tf.convert_to_tensor(self.samples.x[indices])
        y = tf.convert_to_tensor(self.objective.targets[indices])
        seen = probe.look(self.model, self.sites, x, y, self.objective, backward=backward)
        listener.probe(step, seen.dead)
        if backward:
            for name, snapshot in probe.histograms(len(self.sites.layers), seen, step).items():
                listener.histogram(name, snapshot)


class Pace:
    """How many steps to run in one call, so that the loop comes back often enough.

    A call costs a millisecond or so beside its steps, and nothing can stop it while it runs.
    """

    SECONDS = 0.25
    """Aim of one call: half of the half second in which Ctrl-C and the progress bar must live."""

    MOST = 1000

    def __init__(self) -> None:
        self._calls = 0
        self._per_step = math.inf

    def steps(self, left: int) -> int:
        """Steps of the next call: one at first (it traces) and second (it is timed)."""
        if self._calls < 2:
            return min(1, left)
        return max(1, min(left, self.MOST, int(self.SECONDS / self._per_step)))

    @contextlib.contextmanager
    def timing(self, count: int) -> Iterator[None]:
        """Time a call of `count` steps."""
        started = time.perf_counter()
        yield
        self._calls += 1
        self._per_step = max(1e-6, (time.perf_counter() - started) / count)


def _reset_batch_norm(layer: Any) -> None:
    values = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
    for name, value in values.items():
        variable = getattr(layer, name)
        variable.assign(np.full(variable.shape, value, np.float32))


def optimizer(config: ExperimentConfig) -> Any:
    """Make the Keras optimizer that the config names.

    Only what differs from Keras's own default is passed on: an older Keras may lack the rest.
    """
    spec = config.training.optimizer
    entry = OPTIMIZERS[spec.name]
    given = {
        name: value
        for name, value in spec.parameters.items()
        if value != entry.parameters[name].default or name == "learning_rate"
    }
    return getattr(keras.optimizers, entry.keras_class)(**given)


def _probe_steps(steps: int) -> dict[int, bool]:
    """Steps before which the probe set is looked at, and whether histograms are taken there."""
    every = max(1, math.ceil(steps / PROBES_PER_RUN))
    looks = {step: False for step in (*range(every, steps, every),) if steps}
    if steps:
        looks |= {1: True, max(1, (steps + 1) // 2): True, steps: True}
    return looks
