"""Measure loss, targets and variables at the start: once, on one batch, each fact by itself."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.catalog.losses import ConstantAnswer as ConstantFormula
from gradscope.catalog.losses import constant_answer
from gradscope.record import (
    AnswerScale,
    ConstantAnswer,
    ConstrainedStart,
    FlatAnswers,
    LossValues,
    ObjectiveStart,
    TargetDependence,
)
from gradscope.record.objective.objective_info import target_summary
from gradscope.record.run_record import Floats
from gradscope.runner.objective import weight_counts
from gradscope.runner.objective.constant_answer import constant_candidates, search_constant
from gradscope.runner.objective.forward_pass import ForwardPass
from gradscope.runner.objective.objective import Objective
from gradscope.runner.objective.objective_facts import objective_info
from gradscope.runner.objective.output_graph import (
    FactNotMeasured,
    OutputGraph,
    single_output,
)
from gradscope.runner.objective.position_constant import PositionSearch
from gradscope.runner.objective.right_answers import (
    flat_answers,
    losses_of_right_answers,
    right_preactivations,
    values_per_answer,
)
from gradscope.runner.objective.start_figures import (
    deviation,
    differs,
    drawn,
    most_moved,
    one_array,
    rms,
    rows_of,
    saturated,
    spread,
    subset,
    tensors_of,
    wide,
)
from gradscope.runner.runtime.preserved_state import (
    preserved_model_state,
    preserved_random_generators,
)
from gradscope.runner.survey.weight_constraints import constrained_weights

Array = npt.NDArray[Any]

MOST_EXACT = 2**24
"""Target values of which exact means are taken: 128 MB in float64."""

MOST_SHAPES = 8
"""Shapes of targets for which the loss of the constant answer is traced."""

MOST_BATCHES = 256
"""Batches over which its mean loss is taken: its relative error is a sixteenth of one batch's."""

EVERY = slice(None)


@dataclass
class _Pass:
    """The forward pass of one batch: numpy arrays, and what was found while it was traced."""

    z: Array
    answers: Array
    penalty: float


class StartMeasurement:
    """Measures the objective of one model; its functions are traced at their first use.

    All of them are graphs of their own, so that nothing changes in the graph that trains. The state
    of the model and of every random generator is as before after each call. `output` is the
    position of the output whose loss `objective` is, where there are several; `forward` is shared
    by them.
    """

    def __init__(
        self,
        model: Any,
        objective: Objective,
        forward: ForwardPass | None = None,
        output: int | None = None,
    ) -> None:
        self.model, self.objective = model, objective
        self._forward, self._output = forward or ForwardPass(model), output
        self._graph = OutputGraph()
        self._constant: Floats | None = None
        self._chosen_for: tuple[Any, ConstantAnswer] | None = None
        self._state: list[tuple[Any, Any]] = []
        self._first: _Pass | None = None
        self._stateful = False
        self._shapes: set[tuple[int, ...]] = set()
        self._loss = tf.function(self._trace_loss, autograph=False)
        self._constant_loss = tf.function(self._trace_constant_loss, autograph=False)
        self._slope = tf.function(self._trace_slope, autograph=False)
        self._constant_slope = tf.function(self._trace_constant_slope, autograph=False)
        # Apart: TensorFlow warns of a function that is traced for many shapes.
        self._position_loss = tf.function(self._trace_position_loss, autograph=False)
        self._position_slope = tf.function(self._trace_position_slope, autograph=False)

    def before(self, batch: Any, targets: Any = None, weights: Any = None) -> ObjectiveStart:
        """The facts before the first update, on `batch`: (x, y, sample weights or None).

        `targets` are all that are at hand, with their sample `weights`; those of the batch unless
        they are given.
        """
        reasons: dict[str, str] = {}
        facts = ObjectiveStart(unmeasured=reasons)
        self._first = None
        with _reason({}, "traced"), preserved_random_generators():
            # What is built at the first call has to be there before its state can be preserved.
            self._forward.traced.get_concrete_function(tensors_of(batch[0]))
        with preserved_model_state(self.model), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras's remarks come with the training itself
            with _reason(reasons, "targets"):
                facts = replace(facts, targets=target_summary(one_array(batch[1])))
            with _reason(reasons, "scale"):
                self._first = self._first_pass(batch[0])
                facts = replace(facts, scale=self._scale(self._first, batch[1]))
            with _reason(reasons, "weights"):
                facts = replace(
                    facts, weights=weight_counts.weight_counts(self.model, self._forward.unknown)
                )
            first = self._first
            if first is None:
                missing = dict.fromkeys(("dependence", "values", "constant"), reasons["scale"])
                return replace(facts, unmeasured=reasons | missing)
            with _reason(reasons, "constrained"):
                facts = replace(facts, constrained=self._constrained(first, batch))
            with _reason(reasons, "dependence"):
                facts = replace(facts, dependence=self._dependence(first, batch))
            with _reason(reasons, "constant"):
                given = (batch[1], batch[2]) if targets is None else (targets, weights)
                facts = replace(facts, constant=self._choose(first, *given, len(first.answers)))
            with _reason(reasons, "values"):
                facts = replace(facts, values=self._values(first, batch, reasons))
            with _reason(reasons, "flat"):
                facts = replace(facts, flat=self._flat(first, batch))
        return facts

    def after_first_update(self, facts: ObjectiveStart, x: Any) -> ObjectiveStart:
        """The facts with what the first update changed in the answers to the same batch."""
        first, scale = self._first, facts.scale
        self._first = None
        if first is None or scale is None:
            return facts
        reasons = dict(facts.unmeasured)
        with preserved_model_state(self.model), _reason(reasons, "first_change"):
            changed = self._pass_again(x).answers - first.answers
            scale = replace(scale, first_change=rms(changed))
        return replace(facts, scale=scale, unmeasured=reasons)

    def constant_loss(self, y: Any, weights: Any) -> float:
        """The loss of the constant answer on other targets; NaN where it is not known.

        And for the targets of more than `MOST_SHAPES` shapes: each costs a trace.
        """
        if self._constant is None:
            return math.nan
        self._shapes.add(tuple(np.shape(keras.tree.flatten(y)[0])))
        if len(self._shapes) > MOST_SHAPES:
            return math.nan
        stateful = self._stateful
        kept = preserved_model_state(self.model) if stateful else preserved_random_generators()
        with kept:
            return self._constant_value(self._constant, y, weights)

    def choose_again(self, y: Any, weights: Any, batch_size: int) -> ConstantAnswer | None:
        """Choose the constant on other targets; None where the first choice was not possible."""
        if self._constant is None:
            return None
        start = np.zeros(self._constant.shape[-1])
        with preserved_model_state(self.model), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._chosen(start, y, weights, batch_size)

    def _first_pass(self, x: Any) -> _Pass:
        # A tensor read from a variable shares its memory until one of the two changes.
        variables = self.model.non_trainable_variables
        self._state = [(v, tf.convert_to_tensor(v.value)) for v in variables]
        return self._pass(x)

    def _pass_again(self, x: Any) -> _Pass:
        """Pass `x` in the state of the first pass: dropout draws the same."""
        for variable, value in self._state:
            variable.assign(value)
        return self._pass(x)

    def _pass(self, x: Any) -> _Pass:
        """Pass `x` through the model in training mode."""
        z, answers, penalty = self._forward.traced(tensors_of(x))
        at = single_output(answers) if self._output is None else self._output
        self._graph = self._forward.graphs[at]
        return _Pass(wide(z[at]), wide(answers[at]), float(penalty))

    def _trace_loss(self, z: Any, y: Any, weights: Any) -> Any:
        answers = self._graph.answers(z)
        loss = self.objective.data_loss(self.model, y, answers, weights)
        return tf.cast(tf.reduce_sum(loss), tf.float64)

    def _trace_constant_loss(self, constant: Any, y: Any, weights: Any) -> Any:
        return self._trace_loss(self._broadcast(constant, y), y, weights)

    def _trace_slope(self, z: Any, y: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = self._trace_loss(z, y, weights)
        return tape.gradient(loss, z, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _trace_constant_slope(self, constant: Any, y: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(constant)
            loss = self._trace_constant_loss(constant, y, weights)
        return tape.gradient(loss, constant, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _trace_position_loss(self, constant: Any, y: Any, weights: Any) -> Any:
        return self._trace_constant_loss(constant, y, weights)

    def _trace_position_slope(self, constant: Any, y: Any, weights: Any) -> Any:
        return self._trace_constant_slope(constant, y, weights)

    def _broadcast(self, constant: Any, y: Any) -> Any:
        """The constant [unit] or [position, ..., unit] as pre-activation of every sample of `y`."""
        shape = [y.shape[0], *self._shape[1:]]
        return tf.broadcast_to(constant if len(shape) > 1 else constant[0], shape)

    def _scale(self, first: _Pass, y: Any) -> AnswerScale:
        self._shape = first.answers.shape
        self._dtype = first.z.dtype
        targets = one_array(y)
        real = targets.dtype.kind == "f" and np.any((targets != 0) & (targets != 1))
        values = values_per_answer(targets, first.answers.shape) if real else None
        return AnswerScale(
            answers=rms(first.answers),
            targets=None if values is None else rms(values),
            distance=None if values is None else rms(values - first.answers),
            saturated=saturated(first.answers, self._graph),
        )

    def _constrained(self, first: _Pass, batch: Any) -> ConstrainedStart | None:
        """Pass the batch again, in the same state, with the weights that constraints leave."""
        with constrained_weights(self.model) as any_constraint:
            if not any_constraint:
                return None
            z = self._pass_again(batch[0]).z
        loss = self._loss_at(first, one_array(batch[1]), batch[2])(z)
        return ConstrainedStart(rms(first.z), deviation(first.z), rms(z), deviation(z), loss)

    def _dependence(self, first: _Pass, batch: Any) -> TargetDependence:
        """Permute the targets, and give all samples the target of the first one."""
        y, weights = one_array(batch[1]), batch[2]
        order = most_moved(y)
        slope = self._slope_at(first.z, y, weights)
        size = rms(slope)
        if not size > 0.0 or not math.isfinite(size):
            raise FactNotMeasured("the loss has no slope in the answers of the first batch")
        permuted = self._slope_at(first.z, y[order], weights)
        erased = self._slope_at(first.z, np.repeat(y[:1], len(y), axis=0), weights)
        return TargetDependence(
            change=rms(permuted - slope) / size,
            erased_change=rms(erased - slope) / size,
            moved=float(np.mean(differs(y, y[order]))),
            target_shape=y.shape,
            answer_shape=first.answers.shape,
        )

    def _slope_at(self, z: Array, y: Array, weights: Any) -> Floats:
        slope = self._slope(tf.constant(z), tf.constant(y), tensors_of(weights))
        return np.asarray(tf.convert_to_tensor(slope).numpy(), np.float64)

    def _choose(self, first: _Pass, y: Any, weights: Any, batch_size: int) -> ConstantAnswer:
        if self._chosen_for is not None and self._chosen_for[0] is y:
            return self._chosen_for[1]  # another seed: the targets are the same
        self._constant = None
        units = first.answers.shape[-1] if first.answers.ndim > 1 else 1
        start = first.z.reshape(-1, units).mean(axis=0).astype(np.float64)
        chosen = self._chosen(start, y, weights, batch_size)
        self._chosen_for = (y, chosen)
        return chosen

    def _chosen(self, start: Floats, y: Any, weights: Any, batch_size: int) -> ConstantAnswer:
        targets = one_array(y)
        rows = subset(len(targets), math.prod(self._shape[1:]))
        chosen_y, chosen_w = targets[rows], rows_of(weights, rows)

        def loss(constant: Floats, part: slice = EVERY) -> float:
            return self._constant_value(constant, chosen_y[part], rows_of(chosen_w, part))

        def slope(constant: Floats, part: slice = EVERY) -> Floats:
            some = tf.constant(chosen_y[part])
            sloped = self._constant_slope if constant.ndim == 1 else self._position_slope
            value = sloped(self._in(constant), some, tensors_of(rows_of(chosen_w, part)))
            return np.asarray(tf.convert_to_tensor(value).numpy(), np.float64)

        whole = targets if targets.size <= MOST_EXACT else chosen_y
        candidates = constant_candidates(whole, self._shape, self._graph, start)
        searched = None if self._closed_form() else slope
        spread_of_units = spread(whole, self._shape, len(start))
        best, least = search_constant(candidates, loss, searched, spread_of_units)
        if math.isnan(least):
            raise FactNotMeasured("the loss of every constant answer is not finite")
        placed = PositionSearch(
            chosen_y, self._shape, self._graph, spread_of_units, loss, searched
        ).constant(best)
        self._constant = best = best if placed is None else placed
        traced = self._loss_of(best).get_concrete_function(
            self._in(best), tensors_of(chosen_y), tensors_of(chosen_w)
        )
        self._stateful = bool(traced.graph.variables)  # a loss that draws, or that counts
        mean, samples = self._mean_loss(best, targets, weights, batch_size)
        answers = wide(self._graph.answers(self._in(best)[tf.newaxis]))
        values = tuple(answers.reshape(-1, len(start)).mean(axis=0).tolist())
        return ConstantAnswer(values, mean, len(rows), samples, placed is not None)

    def _closed_form(self) -> bool:
        """Whether the best constant is one of the candidates: by the loss's own formula."""
        facts = objective_info(self.objective.loss_name, self.model, None)
        known = constant_answer(facts.loss) is not ConstantFormula.UNKNOWN
        return known and self._graph.activation in ("linear", "softmax", "sigmoid")

    def _mean_loss(
        self, constant: Floats, y: Array, weights: Any, batch_size: int
    ) -> tuple[float, int]:
        """Mean loss over whole batches of the targets, and their number of samples."""
        count = len(y) // batch_size
        starts = np.arange(count) if count <= MOST_BATCHES else drawn(count, MOST_BATCHES)
        values = []
        for start in starts:
            rows = np.arange(start * batch_size, (start + 1) * batch_size)
            values.append(self._constant_value(constant, y[rows], rows_of(weights, rows)))
        return float(np.mean(values)), len(starts) * batch_size

    def _constant_value(self, constant: Floats, y: Any, weights: Any) -> float:
        loss = self._loss_of(constant)
        return float(loss(self._in(constant), tensors_of(y), tensors_of(weights)))

    def _loss_of(self, constant: Floats) -> Any:
        """The traced loss of a constant [unit] or [position, ..., unit]."""
        return self._constant_loss if constant.ndim == 1 else self._position_loss

    def _in(self, constant: Floats) -> Any:
        return tf.constant(constant, self._dtype)

    def _loss_at(self, first: _Pass, y: Array, weights: Any) -> Callable[[Array], float]:
        def loss(z: Array) -> float:
            z = z.astype(first.z.dtype)
            return float(self._loss(tf.constant(z), tf.constant(y), tensors_of(weights)))

        return loss

    def _flat(self, first: _Pass, batch: Any) -> FlatAnswers | None:
        z, y, weights = first.z, one_array(batch[1]), batch[2]
        loss = self._loss_at(first, y, weights)
        return flat_answers(z, y, self._graph, loss, lambda: self._slope_at(z, y, weights))

    def _values(self, first: _Pass, batch: Any, reasons: dict[str, str]) -> LossValues:
        y, weights = one_array(batch[1]), batch[2]
        loss = self._loss_at(first, y, weights)
        start, right, exchanged = loss(first.z), None, None
        with _reason(reasons, "right"):
            answers = right_preactivations(y, first.answers.shape, self._graph)
            right, exchanged = losses_of_right_answers(answers, loss)
        best = self._constant
        constant = None if best is None else self._constant_value(best, y, weights)
        neutral = loss(np.zeros_like(first.z)) if self._graph.known else None
        return LossValues(start, right, constant, first.penalty, neutral, exchanged)


@contextlib.contextmanager
def _reason(reasons: dict[str, str], name: str) -> Iterator[None]:
    """Note under `name` why the block did not come to its end; nothing leaves it."""
    try:
        yield
    except FactNotMeasured as reason:
        reasons[name] = str(reason)
    except Exception as error:  # a loss of the user's own may refuse in any way
        first_line = (str(error).strip().splitlines() or [""])[0]
        reasons[name] = f"{type(error).__name__}: {first_line}"[:200]
