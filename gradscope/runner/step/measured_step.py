"""The instrumented training step: one forward and backward pass, every statistic, one update."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from gradscope.record import STATISTICS
from gradscope.runner.objective import loss_scale
from gradscope.runner.objective.objective import Objective
from gradscope.runner.objective.output_losses import recorded_outputs
from gradscope.runner.runtime.conditional import unlowered_cond
from gradscope.runner.runtime.trace_by_shape import TraceByShape
from gradscope.runner.step import (
    batch_norm_figures,
    example_gradients,
    power_histograms,
    signal_figures,
    updates,
    weight_figures,
)
from gradscope.runner.step.figures import Figures
from gradscope.runner.step.main_path import with_main_path
from gradscope.runner.step.reductions import reductions_for
from gradscope.runner.step.sizes import sample_count
from gradscope.runner.survey import recurrent
from gradscope.runner.survey.calls import Call, recordable_layers, recording
from gradscope.runner.survey.graph_reachability import ReachedTensors
from gradscope.runner.survey.sites import Site, SiteMap
from gradscope.runner.survey.surveyor import survey

Step = Callable[[Any, Any], tuple[Any, Any, Any]]
"""``step(batch, counting) -> (statistics, scalars, counts)``: trains once on (x, y) or on (x, y,
sample weights); `counting` says whether the powers of two are counted."""


def survey_model(model: Any, x: Any, trained: Sequence[bool] | None = None) -> SiteMap:
    """Find what can be measured where, by tracing one forward pass that is never run.

    `x` is the structure of arrays or specs of one batch. `trained` says of each of the model's
    outputs whether the loss depends on it; all do unless it is given.
    """
    layers = recordable_layers(model)
    site_maps: list[SiteMap] = []

    def forward(inputs: Any) -> None:
        with recording(layers) as recorder:
            outputs = model(inputs, training=True)
        flat = keras.tree.flatten(outputs)
        in_loss = trained or [True] * len(flat)
        ends = [tensor for tensor, used in zip(flat, in_loss, strict=True) if used]
        reached = ReachedTensors([*ends, *model.losses])
        site_map = survey(model, layers, recorder, outputs, reached)
        site_maps.append(with_main_path(site_map, recorder, inputs, outputs))

    specs = keras.tree.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), x)
    tf.function(forward, autograph=False).get_concrete_function(specs)
    return site_maps[-1]


@dataclass(frozen=True)
class MeasuredPass:
    """The tensors and figures of one forward and backward pass, before the update.

    `gradients` are the optimizer's arguments: those of the scaled loss where it scales; None where
    the loss does not depend on the variable. `deltas` and `weights` have those of the mean loss.
    `figures` lack those of the weights and their update (`weight_figures`).
    """

    figures: Figures
    signals: list[signal_figures.Signal]
    deltas: list[Any]
    variables: list[Any]
    gradients: list[Any]
    weights: weight_figures.Weights
    scalars: Any


@dataclass(frozen=True)
class MeasurementOptions:
    """How a step is measured.

    `jit` says that XLA will compile it. `gradient_noise` adds the figures of `example_gradients`,
    `histograms` the counts of `power_histograms` at the steps whose flag is set.
    """

    jit: bool = False
    gradient_noise: bool = False
    histograms: bool = False


def measured_pass(
    model: Any, sites: SiteMap, objective: Objective, optimizer: Any, options: MeasurementOptions
) -> Callable[[Any, Any, Any], MeasuredPass]:
    """Make the function of (x, y, sample weights or None) that measures a pass, without update."""
    layers = recordable_layers(model)
    timed = [site for site in sites.sites if site.time_steps]
    reductions = reductions_for(jit=options.jit)

    def measure_pass(x: Any, y: Any, sample_weights: Any) -> MeasuredPass:
        with (
            tf.GradientTape() as tape,
            recording(layers, tape.watch, sites.keys) as recorder,
            batch_norm_figures.recorded_moments(sites.batch_norms) as norms,
        ):
            outputs = model(x, training=True)
            with recorded_outputs(objective, outputs) as of_outputs:
                loss = objective.loss(model, x, y, outputs, sample_weights)
            scaled = optimizer.scale_loss(loss)
        calls = {call.key: call for call in recorder.calls}
        signals = [signal_figures.Signal.from_call(site, calls[site.key]) for site in sites.sites]
        variables = model.trainable_variables
        zeros = [calls[site.key].zeros for site in timed]
        sources = (variables, [signal.z for signal in signals], zeros)
        gradients, deltas, through_time = tape.gradient(scaled, sources)
        deltas = [_or_zeros(delta, signal.z) for delta, signal in zip(deltas, signals, strict=True)]
        scale = loss_scale.current_scale(optimizer)
        figures = Figures()
        batch_norm_figures.add_batch_norm_figures(figures, sites.batch_norms, norms, recorder)
        batch_norm_figures.add_gamma_and_beta(figures, sites.batch_norms, norms)
        samples = _samples(x)
        factor = samples / (tf.cast(scale, tf.float64) if tf.is_tensor(samples) else scale)
        signal_figures.add_signal_figures(figures, signals, deltas, factor, reductions)
        scalars = _scalars(loss, objective.accuracy(y, outputs), optimizer)
        if figures_of_outputs := of_outputs.figures():
            scalars = tf.concat([scalars, tf.stack(figures_of_outputs)], 0)
        times = over_time(timed, calls, through_time, factor)
        scalars = tf.concat([scalars, *times], 0) if times else scalars
        unscaled = loss_scale.unscaled(gradients, scale)
        deltas = loss_scale.unscaled(deltas, scale)
        weights = weight_figures.trained_weights(sites.sites, variables, unscaled)
        if options.gradient_noise:
            example_gradients.add_example_gradient_figures(figures, weights, samples)
        return MeasuredPass(figures, signals, deltas, variables, gradients, weights, scalars)

    return measure_pass


def measured_step(
    model: Any, sites: SiteMap, objective: Objective, optimizer: Any, options: MeasurementOptions
) -> Step:
    """Make the step that trains and measures.

    `statistics` is [statistic, layer] in the order of `STATISTICS`, NaN where a statistic has no
    meaning for a layer; `scalars` is [3 + 2 outputs + time steps]: loss and accuracy of this batch
    and the learning rate, before the update; `OUTPUT_SCALARS` of each of several outputs; then
    delta over time of each recurrent layer in turn. All of it in training mode.
    """
    measure_pass = measured_pass(model, sites, objective, optimizer, options)
    layers = len(sites.layers)
    reductions = reductions_for(jit=options.jit)

    def step(batch: Any, counting: Any) -> tuple[Any, Any, Any]:
        x, y, sample_weights = _split(batch)
        result = measure_pass(x, y, sample_weights)
        with updates.intercepted_updates(
            optimizer, result.weights.kernels, result.weights.raw
        ) as intercepted:
            _apply(optimizer, result.gradients, result.variables)
        weight_figures.add_weight_figures(result.figures, result.weights, intercepted, reductions)
        row = result.figures.packed(layers)
        if loss_scale.is_dynamic(optimizer):
            row = loss_scale.without_overflow(row, result.gradients)
        intercepted.apply(after=row)
        return row, result.scalars, counted(result, _samples(x), counting)

    def counted(result: MeasuredPass, samples: Any, counting: Any) -> Any:
        if not options.histograms:
            return _none()
        return unlowered_cond(
            counting,
            lambda: power_histograms.count_powers(
                result.signals,
                result.deltas,
                samples,
                result.weights,
                layers,
                reductions=reductions,
            ),
            lambda: _none(power_histograms.count_size(layers)),
        )

    return step


def _none(counts: int = 0) -> Any:
    return tf.zeros([counts], tf.int32)


def _samples(x: Any) -> Any:
    """The batch size: a number, or a float64 tensor where it varies."""
    return sample_count(keras.tree.flatten(x)[0])


def plain_step(model: Any, objective: Objective, optimizer: Any) -> Step:
    """Make the same training step without measuring anything (for comparison)."""

    def step(batch: Any, counting: Any) -> tuple[Any, Any, Any]:
        del counting
        x, y, weights = _split(batch)
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = objective.loss(model, x, y, outputs, weights)
            scaled = optimizer.scale_loss(loss)
        variables = model.trainable_variables
        gradients = tape.gradient(scaled, variables)
        scalars = _scalars(loss, objective.accuracy(y, outputs), optimizer)
        _apply(optimizer, gradients, variables)
        return tf.zeros((len(STATISTICS), 0), tf.float64), scalars, _none()

    return step


@dataclass(frozen=True)
class RowWidths:
    """Sizes of a measured step's results: layers, figures after the scalars, counts.

    `extra` are the figures of several outputs and the time steps of recurrent layers.
    """

    layers: int = 0
    extra: int = 0
    counts: int = 0


def chunked_steps(
    measured: Step, plain: Step | None, widths: RowWidths, *, jit: bool
) -> TraceByShape:
    """Run several steps in one call: ``run(batches, flags)`` on batches stacked on a first axis.

    `flags` [step, 2] says which steps to measure, and in which to count powers of two; the others
    run `plain` where it is given. The results are float64 [step, statistic, layer], float64 [step,
    scalar], where outputs and delta over time follow the scalars of a measured step, and int32
    [step, count].
    The number of steps is read from the batches at run time, so chunks of any length share a trace;
    another shape of the batches has one of its own.
    """
    nothing = tf.fill([len(STATISTICS), widths.layers], tf.constant(math.nan, tf.float64))

    def skipped(batch: Any) -> tuple[Any, Any, Any]:
        assert plain is not None
        scalars = plain(batch, False)[1]
        if widths.extra:
            scalars = tf.pad(scalars, [[0, widths.extra]], constant_values=math.nan)
        return nothing, scalars, _none(widths.counts)

    def run_step(batch: Any, flags: Any) -> Any:
        recorded, counting = tf.unstack(flags)
        if plain is None or plain is measured:
            return measured(batch, counting)
        return unlowered_cond(recorded, lambda: measured(batch, counting), lambda: skipped(batch))

    def run(batches: Any, flags: Any) -> tuple[Any, Any, Any]:
        count = tf.shape(flags)[0]
        arrays = (
            tf.TensorArray(tf.float64, count, element_shape=[len(STATISTICS), widths.layers]),
            tf.TensorArray(tf.float64, count, element_shape=[3 + widths.extra]),
            tf.TensorArray(tf.int32, count, element_shape=[widths.counts]),
        )

        def body(i: Any, arrays: Any) -> Any:
            batch = keras.tree.map_structure(lambda stacked: stacked[i], batches)
            results = run_step(batch, flags[i])
            return i + 1, tuple(a.write(i, x) for a, x in zip(arrays, results, strict=True))

        _, arrays = tf.while_loop(lambda i, _: i < count, body, (0, arrays), parallel_iterations=1)
        rows, scalars, counts = (array.stack() for array in arrays)
        return rows, scalars, counts

    return TraceByShape(run, signature=_any_number_of_steps, jit_compile=jit)


def _any_number_of_steps(batches: Any, flags: Any) -> Any:
    """The specs of a chunk; its first axis, the steps, is left open."""
    return keras.tree.map_structure(
        lambda t: tf.TensorSpec([None, *t.shape[1:]], t.dtype), (batches, flags)
    )


def _apply(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Update as `model.fit` does: weights that the loss does not depend on are left alone."""
    pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
    optimizer.apply([g for g, _ in pairs], [v for _, v in pairs])


def _or_zeros(gradient: Any, source: Any) -> Any:
    return tf.zeros_like(source) if gradient is None else tf.convert_to_tensor(gradient)


def over_time(
    timed: Sequence[Site], calls: dict[Any, Call], gradients: Sequence[Any], scale: Any
) -> list[Any]:
    """Delta at each time step of each recurrent layer that is followed.

    NaN for a batch of sequences that are not as long as those of the survey.
    """
    profiles = []
    for site, gradient in zip(timed, gradients, strict=True):
        call = calls[site.key]
        if call.zeros.shape[1] == site.time_steps:
            delta = _or_zeros(gradient, call.zeros)
            profiles.append(recurrent.delta_second_moments(delta, call.mask, scale))
        else:
            profiles.append(tf.fill([site.time_steps], tf.constant(math.nan, tf.float64)))
    return profiles


def _scalars(loss: Any, accuracy: Any, optimizer: Any) -> Any:
    rate = tf.cast(optimizer.learning_rate, tf.float64)
    return tf.stack([tf.cast(loss, tf.float64), accuracy, rate])


def _split(batch: Any) -> tuple[Any, Any, Any]:
    return (*batch, None) if len(batch) == 2 else batch
