"""The instrumented training step: one forward and backward pass, every statistic, one update."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from gradscope.record import STATISTICS
from gradscope.runner import (
    batch_norm_figures,
    example_gradients,
    signal_figures,
    updates,
    weight_figures,
)
from gradscope.runner.branching import choose
from gradscope.runner.figures import Figures
from gradscope.runner.light_import import without_collecting
from gradscope.runner.main_path import located
from gradscope.runner.objective import Objective
from gradscope.runner.sites import SiteMap, survey
from gradscope.runner.taps import listening, tapped_layers

Step = Callable[[Any], tuple[Any, Any]]
"""``step(batch) -> (statistics, scalars)``: trains once on (x, y) or (x, y, sample weights)."""


def survey_model(model: Any, x: Any) -> SiteMap:
    """Find out what can be measured where, by tracing one forward pass that is never run.

    `x` is the structure of arrays or specs of one batch.
    """
    layers = tapped_layers(model)
    found: list[SiteMap] = []

    def forward(inputs: Any) -> None:
        with listening(layers) as ear:
            outputs = model(inputs, training=True)
        found.append(located(survey(model, layers, ear, outputs), ear, inputs, outputs))

    specs = keras.tree.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), x)
    tf.function(forward, autograph=False).get_concrete_function(specs)
    return found[-1]


@dataclass(frozen=True)
class Seen:
    """One forward and backward pass, as it stands before any update.

    `gradients` are what the optimizer takes: of the scaled loss, where it scales. `deltas` and
    `weights` have those of the mean loss itself. `figures` lack what only the update shows
    (`weight_figures.put`).
    """

    figures: Figures
    signals: list[signal_figures.Signal]
    deltas: list[Any]
    variables: list[Any]
    gradients: list[Any]
    weights: weight_figures.Weights
    scalars: Any


@dataclass(frozen=True)
class Asked:
    """How a step is measured: `jit` says that XLA will compile it, `noise` asks for its noise."""

    jit: bool = False
    noise: bool = False


def seeing(
    model: Any, sites: SiteMap, objective: Objective, optimizer: Any, asked: Asked
) -> Callable[[Any, Any, Any], Seen]:
    """Make the function of (x, y, sample weights or None) that measures a pass, without update."""
    layers = tapped_layers(model)

    def see(x: Any, y: Any, sample_weights: Any) -> Seen:
        with (
            tf.GradientTape() as tape,
            listening(layers) as ear,
            batch_norm_figures.listening(sites.batch_norms) as norms,
        ):
            outputs = model(x, training=True)
            loss = objective.loss(model, x, y, outputs, sample_weights)
            scaled = optimizer.scale_loss(loss)
        heard = {call.key: call for call in ear.calls}
        signals = [signal_figures.Signal.of(site, heard[site.key]) for site in sites.sites]
        variables = model.trainable_variables
        gradients, deltas = tape.gradient(
            scaled,
            (variables, [signal.z for signal in signals]),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        own = gradients
        if scaled is not loss:
            scale = optimizer.scale_loss(tf.ones((), tf.float32))
            own = [_unscaled(gradient, scale) for gradient in gradients]
            deltas = [_unscaled(delta, scale) for delta in deltas]
        figures = Figures()
        batch_norm_figures.put(figures, sites.batch_norms, norms, ear)
        samples = int(keras.tree.flatten(x)[0].shape[0])
        signal_figures.put(figures, signals, deltas, samples, jit=asked.jit)
        scalars = _scalars(loss, objective.accuracy(y, outputs), optimizer)
        weights = weight_figures.find(sites.sites, variables, own)
        if asked.noise:
            example_gradients.put(figures, weights, samples)
        return Seen(figures, signals, deltas, variables, gradients, weights, scalars)

    return see


def measured_step(
    model: Any, sites: SiteMap, objective: Objective, optimizer: Any, asked: Asked
) -> Step:
    """Make the step that trains and measures.

    `statistics` is [statistic, layer] in the order of `STATISTICS`, NaN where a statistic has no
    meaning for a layer; `scalars` is [3]: loss and accuracy of this batch and the learning rate,
    before the update. All of it in training mode.
    """
    see = seeing(model, sites, objective, optimizer, asked)

    def step(batch: Any) -> tuple[Any, Any]:
        seen = see(*_split(batch))
        with updates.listening(optimizer, seen.weights.kernels, seen.weights.raw) as changes:
            optimizer.apply(seen.gradients, seen.variables)
        weight_figures.put(seen.figures, seen.weights, changes, jit=asked.jit)
        row = seen.figures.packed(len(sites.layers))
        changes.make(first=row)
        return row, seen.scalars

    return step


def plain_step(model: Any, objective: Objective, optimizer: Any) -> Step:
    """Make the same training step without measuring anything (for comparison)."""

    def step(batch: Any) -> tuple[Any, Any]:
        x, y, weights = _split(batch)
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = objective.loss(model, x, y, outputs, weights)
            scaled = optimizer.scale_loss(loss)
        variables = model.trainable_variables
        gradients = tape.gradient(scaled, variables)
        scalars = _scalars(loss, objective.accuracy(y, outputs), optimizer)
        optimizer.apply(gradients, variables)
        return tf.zeros((len(STATISTICS), 0), tf.float64), scalars

    return step


def chunked(measured: Step, plain: Step | None, layers: int, *, jit: bool) -> Chunk:
    """Run several steps in one call: ``run(batches, wanted)`` on batches stacked on a first axis.

    `wanted` [step] says which steps to measure; the others run `plain` where it is given. Gives
    float64 [step, statistic, layer] and [step, scalar]. The number of steps is read from the
    batches at run time, so every chunk and remainder shares one trace.
    """
    nothing = tf.fill([len(STATISTICS), layers], tf.constant(math.nan, tf.float64))

    def one(batch: Any, wanted: Any) -> Any:
        if plain is None or plain is measured:
            return measured(batch)
        return choose(wanted, lambda: measured(batch), lambda: (nothing, plain(batch)[1]))

    def run(batches: Any, wanted: Any) -> tuple[Any, Any]:
        count = tf.shape(wanted)[0]
        rows = tf.TensorArray(tf.float64, count, element_shape=[len(STATISTICS), layers])
        scalars = tf.TensorArray(tf.float64, count, element_shape=[3])

        def body(i: Any, rows: Any, scalars: Any) -> Any:
            batch = keras.tree.map_structure(lambda stacked: stacked[i], batches)
            row, scalar = one(batch, wanted[i])
            return i + 1, rows.write(i, row), scalars.write(i, scalar)

        _, rows, scalars = tf.while_loop(
            lambda i, *_: i < count, body, (0, rows, scalars), parallel_iterations=1
        )
        return rows.stack(), scalars.stack()

    return Chunk(run, jit=jit)


class Chunk:
    """The loop over a chunk as one traced function; the axis of steps is left open."""

    def __init__(self, run: Callable[[Any, Any], tuple[Any, Any]], *, jit: bool) -> None:
        self._run, self._jit = run, jit
        self._traced: Any = None

    def __call__(self, batches: Any, wanted: Any) -> tuple[Any, Any]:
        """Run the steps of `batches` [step, sample, ...]; the first call traces."""
        if self._traced is None:
            specs = keras.tree.map_structure(
                lambda t: tf.TensorSpec([None, *t.shape[1:]], t.dtype), (batches, wanted)
            )
            self._traced = tf.function(self._run, specs, jit_compile=self._jit, autograph=False)
            with without_collecting():
                return self._traced(batches, wanted)  # type: ignore[no-any-return]
        return self._traced(batches, wanted)  # type: ignore[no-any-return]

    def traces(self) -> int:
        """How often the loop was traced."""
        return int(self._traced.experimental_get_tracing_count()) if self._traced else 0


def _scalars(loss: Any, accuracy: Any, optimizer: Any) -> Any:
    rate = tf.cast(optimizer.learning_rate, tf.float64)
    return tf.stack([tf.cast(loss, tf.float64), accuracy, rate])


def _unscaled(gradient: Any, scale: Any) -> Any:
    """A gradient of the scaled loss as one of the loss: in float32, where it does not underflow."""
    return tf.cast(tf.convert_to_tensor(gradient), tf.float32) / scale


def _split(batch: Any) -> tuple[Any, Any, Any]:
    return (*batch, None) if len(batch) == 2 else batch
