"""Measure the training steps that `model.fit` makes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.record import STATISTICS
from gradscope.record.nonfinite_origin import NonFiniteOrigin
from gradscope.record.run_record import Floats
from gradscope.runner.nonfinite import origin as nonfinite_origin
from gradscope.runner.nonfinite.origin import Training
from gradscope.runner.objective import objective
from gradscope.runner.objective.output_losses import with_output_losses
from gradscope.runner.runtime.device import without_graph_rewriting
from gradscope.runner.runtime.preserved_state import (
    changing_state,
    preserved_model_state,
    preserved_random_generators,
)
from gradscope.runner.runtime.restored_in_graph import StateInGraph, calls_python
from gradscope.runner.runtime.trace_by_shape import TraceByShape
from gradscope.runner.step import measured_step, pass_counts, updates, weight_figures
from gradscope.runner.step.figures import Figures
from gradscope.runner.step.probe_result import PassCounter, ProbeResult
from gradscope.runner.step.reductions import reductions_for
from gradscope.runner.survey import unmeasurable
from gradscope.runner.survey.calls import recordable_layers
from gradscope.runner.survey.initial_weights import initial_weights

_ROW = {name: row for row, name in enumerate(STATISTICS)}

Batch = tuple[Any, Any, Any]
"""Inputs, targets and sample weights as eager tensors, None where there are none."""


@dataclass(frozen=True)
class Passes:
    """The figures of a step's forward and backward pass: all but those of the update.

    `living` are the counts of the living units, as `count_living` gives them. `weights` are copies
    of the kernels, their gradients and those of the biases; None where the statistics have those of
    the weights and of the update already.
    """

    statistics: Floats
    scalars: tuple[float, ...]
    z: list[Any]
    deltas: list[Any]
    living: tuple[Any, ...]
    weights: tuple[Any, Any, Any] | None
    finite_gradients: bool
    samples: int

    @property
    def finite(self) -> bool:
        """Whether no NaN and no Inf was met."""
        lost = np.nansum(self.statistics[_ROW["nonfinite_count"]])
        return bool(np.isfinite(self.scalars[0])) and not lost > 0 and self.finite_gradients


@dataclass(frozen=True)
class MeasuredStep:
    """One measured step, as `RecordBuilder.step` takes it; `distributions()` its histograms.

    `living()` counts the living units of its `samples` alone. `skipped` says that the optimizer
    made no step because gradients of the scaled loss overflowed.
    """

    statistics: Floats
    scalars: tuple[float, ...]
    distributions: Callable[[], ProbeResult]
    living: Callable[[], pass_counts.PassCounts]
    samples: int
    skipped: bool

    @property
    def finite(self) -> bool:
        """Whether no NaN and no Inf was met."""
        lost = np.nansum(self.statistics[_ROW["nonfinite_count"]])
        return bool(np.isfinite(self.scalars[0])) and not lost > 0


class FitStep:
    """A model's passes, traced apart from the graph that trains it.

    In one graph with the training step, asking for more results makes TensorFlow's graph optimizer
    reorder arithmetic, and the trained bits change. Apart, the same passes are computed a second
    time at the steps that are measured, with the same weights, batch and dropout masks.

    The update is computed with them, and not made, where the optimizer can be asked for it and
    `trained` says that the measured batch is the one that is trained on, by Keras's own training
    step. Elsewhere copies of the kernels are compared after the step.
    """

    def __init__(self, model: Any, batch: Batch, *, trained: bool = False) -> None:
        unmeasurable.refuse_float8(model)
        self.model = model
        built = all(layer.built for layer in recordable_layers(model))
        # A model that is built here draws its weights as it would have when `fit` first called it.
        with preserved_random_generators() if built else contextlib.nullcontext():
            self.sites = measured_step.survey_model(model, batch[0])
        self.initial_weights = initial_weights(model, self.sites)
        scaling = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        if scaling and not model.optimizer.built:  # it has no scale of its own before
            model.optimizer.build(model.trainable_variables)
        goal = with_output_losses(objective.compiled_objective(batch[1]), model, batch[1])
        self.objective = goal
        self.training = Training(model, goal, model.optimizer, self.sites)
        jit = bool(model.jit_compile)
        self._signals = measured_step.measured_pass(
            model, self.sites, goal, model.optimizer, measured_step.MeasurementOptions(jit)
        )
        self._weights: weight_figures.Weights | None = None
        self._with_update = trained and type(model).train_step is keras.Model.train_step
        self._restored = self._calls_python = False
        if self._with_update and not model.optimizer.built:  # `fit` does so in its first step
            with keras.name_scope(model.optimizer.name, caller=model.optimizer):
                model.optimizer.build(model.trainable_variables)
        self._passes = TraceByShape(self._trace_passes, jit_compile=jit)
        self._update = TraceByShape(self._trace_update)
        self._counter = PassCounter(self.sites)
        # What a loss builds at its first call is there from here on.
        with preserved_model_state(model):
            self._passes.trace(*batch)

    def measure_passes(self, batch: Batch) -> Passes:
        """Measure the passes of the step that `fit` makes on `batch` next."""
        with self._preserved_state(), without_graph_rewriting():
            packed, z, deltas, living, weights = self._passes(*batch)
        row = packed.numpy()
        shape = (len(STATISTICS), len(self.sites.layers))
        size = shape[0] * shape[1]
        return Passes(
            statistics=row[:size].reshape(shape),
            scalars=tuple(row[size:-1].tolist()),
            z=z,
            deltas=deltas,
            living=living,
            weights=weights or None,
            finite_gradients=bool(row[-1]),
            samples=int(keras.tree.flatten(batch[0])[0].shape[0]),
        )

    def _preserved_state(self) -> contextlib.AbstractContextManager[None]:
        """What keeps the state of the model: the traced function does it where there is one."""
        if not self._restored or tf.config.functions_run_eagerly():
            return preserved_model_state(self.model)
        return preserved_random_generators() if self._calls_python else contextlib.nullcontext()

    def measure_update(self, passes: Passes, *, one_step: bool) -> MeasuredStep:
        """Add the figures of the update that was made since, if it was that of `one_step`.

        On a step in which the optimizer only accumulates gradients there is no update to measure.
        """
        statistics = passes.statistics
        if passes.weights is not None:
            with without_graph_rewriting():
                statistics = _merged(statistics, self._update(*passes.weights).numpy())
        ratios = statistics[_ROW["update_ratio"]]
        if not one_step or (self._accumulates() and not np.nansum(ratios)):
            ratios[:] = np.nan
        return MeasuredStep(
            statistics=statistics,
            scalars=passes.scalars,
            distributions=lambda: self._distributions(passes),
            living=lambda: pass_counts.PassCounts.from_tensors(passes.living),
            samples=passes.samples,
            skipped=self.skips(passes),
        )

    def skips(self, passes: Passes) -> bool:
        """Whether the optimizer skips the step, as gradients of the scaled loss overflow."""
        scaling = isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer)
        overflow = np.nansum(passes.statistics[_ROW["nonfinite_backward_count"]]) > 0
        overflow = overflow or not passes.finite_gradients
        return bool(scaling and overflow and np.isfinite(passes.scalars[0]))

    def origin(
        self, passes: Passes, batch: Batch, step: int, last_finite: int
    ) -> NonFiniteOrigin | None:
        """Where the first value of `passes` that is not finite comes from, before the step is made.

        None where all are finite, and where the optimizer will skip the step. `last_finite` is the
        last step that was measured before, 0 for none.
        """
        if passes.finite or self.skips(passes):
            return None
        located = nonfinite_origin.locate(self.training, batch, step)
        if located is None or not last_finite:
            return located
        return replace(located, last_finite_step=last_finite)

    def origin_in_update(self, step: int) -> NonFiniteOrigin | None:
        """The same for a step whose passes were finite, after it was made."""
        return nonfinite_origin.lost_weights(self.training, step)

    def _distributions(self, passes: Passes) -> ProbeResult:
        with without_graph_rewriting():
            return self._counter.count(passes.z, passes.deltas, passes.samples)

    def _accumulates(self) -> bool:
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        return bool(getattr(optimizer, "gradient_accumulation_steps", None))

    def _trace_passes(self, *batch: Any) -> tuple[Any, ...]:
        with preserved_random_generators():  # of layers that draw from them while they are traced
            return self._measured_passes(*batch)

    def _measured_passes(self, x: Any, y: Any, weights: Any) -> tuple[Any, ...]:
        state = None
        if not tf.executing_eagerly():
            variables = changing_state(self.model)
            state = StateInGraph(variables)
        step = self._signals(x, y, weights)
        measured = self._weights = step.weights
        kept: Any = ()
        pairs = [
            (gradient, variable)
            for gradient, variable in zip(step.gradients, step.variables, strict=True)
            if gradient is not None
        ]
        optimizer = self.model.optimizer
        if self._with_update and updates.can_be_computed(optimizer, measured.kernels, measured.raw):
            made = updates.computed_updates(optimizer, measured.kernels, measured.raw, pairs)
            weight_figures.add_weight_figures(
                step.figures, measured, made, reductions_for(jit=bool(self.model.jit_compile))
            )
        else:
            kept = (
                [tf.identity(tf.convert_to_tensor(kernel)) for kernel in measured.kernels],
                [tf.convert_to_tensor(gradient) for gradient in measured.raw],
                measured.bias_gradients,
            )
        z = [signal.z for signal in step.signals]
        living = pass_counts.count_living(self.sites.sites, z)
        deltas = [tf.convert_to_tensor(delta) for delta in step.deltas]
        # The figures of the weights count what is not finite in their gradients.
        finite = _all_finite((measured.raw, measured.bias_gradients)) if kept else tf.constant(True)
        statistics = tf.reshape(step.figures.packed(len(self.sites.layers)), [-1])
        packed = tf.concat([statistics, step.scalars, [tf.cast(finite, tf.float64)]], 0)
        if state is not None:
            state.restore([packed])
            self._restored = len(changing_state(self.model)) == len(variables)
            self._calls_python |= calls_python(tf.compat.v1.get_default_graph())
        return packed, z, deltas, living, kept

    def _trace_update(self, before: Any, gradients: Any, bias_gradients: Any) -> Any:
        assert self._weights is not None
        weights = replace(self._weights, raw=gradients, bias_gradients=bias_gradients)
        if not weights.sites and not weights.biased:
            shape = [len(STATISTICS), len(self.sites.layers)]
            return tf.fill(shape, tf.constant(np.nan, tf.float64))
        made = {
            id(kernel): updates.Update(value, tf.convert_to_tensor(kernel) - value, 1.0)
            for kernel, value in zip(weights.kernels, before, strict=True)
        }
        figures = Figures()
        weight_figures.add_weight_figures(
            figures, weights, updates.Updates(made), reductions_for(jit=False)
        )
        return figures.packed(len(self.sites.layers))


def _all_finite(tensors: Any) -> Any:
    """Whether no tensor of the structure has a NaN or Inf."""
    checks = [tf.reduce_all(tf.math.is_finite(leaf)) for leaf in keras.tree.flatten(tensors)]
    return tf.reduce_all(checks) if checks else tf.constant(True)


def _merged(first: Floats, second: Floats) -> Floats:
    """Merge two tables of figures: counts that both have add up."""
    summed: Floats = np.where(np.isnan(first), 0.0, first) + np.where(np.isnan(second), 0.0, second)
    summed[np.isnan(first) & np.isnan(second)] = np.nan
    return summed
