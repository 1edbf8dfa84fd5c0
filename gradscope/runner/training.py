"""The loop: a network built and traced once, trained and measured from any seed."""

from __future__ import annotations

import math
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
from gradscope.runner import device, objective, probe
from gradscope.runner.model import Network, build, initializer
from gradscope.runner.seeds import derive
from gradscope.runner.tape import plain_step, training_step

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
        self.batch_size = min(config.training.batch_size, len(samples.x))
        self.network: Network = build(
            config,
            samples.x.shape[1:],
            samples.task,
            samples.classes,
            1 if samples.y.ndim == 1 else samples.y.shape[1],
        )
        output = self.network.layers[-1]
        self.objective = objective.choose(
            config.training.loss, str(output.activation), int(output.units or 0), samples
        )
        self.optimizer = optimizer(config)
        self.optimizer.build(self.network.model.trainable_variables)
        self._optimizer_start = [variable.numpy() for variable in self.optimizer.variables]
        self.jit = config.training.jit == "on"
        make = training_step if measure else plain_step
        self.step = tf.function(
            make(self.network, self.objective, self.optimizer),
            jit_compile=self.jit,
            reduce_retracing=True,
        )
        self.measure = measure
        self.reset(config.seed)

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
        for layer, name, owner, spec in self.network.initial_values:
            variable = getattr(layer, name)
            variable.assign(initializer(spec, derive(seed, owner, name))(variable.shape))
        for norm in self.network.batch_norm_sites:
            layer = norm.layer
            for variable, value in (
                (layer.gamma, 1.0),
                (layer.beta, 0.0),
                (layer.moving_mean, 0.0),
                (layer.moving_variance, 1.0),
            ):
                variable.assign(np.full(variable.shape, value, np.float32))
        for layer in self.network.model.layers:
            if isinstance(layer, keras.layers.Dropout) and layer.rate:
                start = [derive(seed, layer.name, "dropout"), 0]
                layer.seed_generator.state.assign(np.array(start, np.uint32))
        for variable, start in zip(self.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(start)

    def beginning(self) -> Beginning:
        """Everything known before the first step."""
        config = self.config
        return Beginning(
            name=config.name,
            layers=self.network.layers,
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

        Stops early, as ``diverged``, at the first step that holds a non-finite value.
        """
        steps, every = self.steps, self.config.training.record_every
        looks = _probe_steps(steps) if self.measure else {}
        for step, indices in enumerate(self._batches(), start=1):
            if step in looks:
                self._probe(step, looks[step], listener)
            statistics, scalars = self.step(self._fed(indices), self._targets_of(indices))
            loss, accuracy = scalars.numpy().tolist()
            rate = float(keras.ops.convert_to_numpy(self.optimizer.learning_rate))
            figures = statistics.numpy()
            finite = math.isfinite(loss) and (not self.measure or _is_finite(figures))
            if self.measure and (step == 1 or step == steps or step % every == 0 or not finite):
                listener.step(step, figures, (loss, accuracy, rate))
            if not finite:
                sentence = f"stopped at step {step} of {steps}: a non-finite value appeared"
                return End("diverged", sentence, {})
        return End("complete", f"{steps} steps", self.evaluate())

    def evaluate(self) -> dict[str, float]:
        """Loss and accuracy on the test set, in inference mode."""
        if not len(self.samples.x_test):
            return {}
        outputs = self.network.model(self.samples.x_test, training=False)
        targets = tf.convert_to_tensor(self.objective.test_targets)
        figures = {"test_loss": float(self.objective.loss(targets, outputs))}
        if self.samples.task == "classification":
            figures["test_accuracy"] = float(self.objective.accuracy(targets, outputs))
        return figures

    def weights(self) -> list[npt.NDArray[np.float32]]:
        """Copies of all weights, batch norm's moving statistics included."""
        return [np.array(weight) for weight in self.network.model.get_weights()]

    def _fed(self, indices: Any) -> Any:
        return tf.convert_to_tensor(self.samples.x[indices])

    def _targets_of(self, indices: Any) -> Any:
        return tf.convert_to_tensor(self.objective.targets[indices])

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
        seen = probe.look(
            self.network,
            self._fed(indices),
            self._targets_of(indices),
            self.objective.loss,
            backward=backward,
        )
        listener.probe(step, probe.dead_fraction(self.network, seen))
        if backward:
            for name, snapshot in probe.histograms(self.network, seen, step).items():
                listener.histogram(name, snapshot)


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


def _is_finite(figures: Floats) -> bool:
    return not np.nansum(figures[_NONFINITE]) > 0
