"""A training step that the user wrote, traced in a graph of its own and measured there.

The whole step is computed, its updates included, so that each gradient is the one of that step: a
generator's passes the discriminator that was just updated. Afterwards every variable that the graph
changed gets back its value, to the bit. The user's own training then makes the step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.errors import BadRequest
from gradscope.message_text import sanitise
from gradscope.record import STATISTICS
from gradscope.record.run_record import Floats
from gradscope.runner.runtime.preserved_state import preserved_random_generators
from gradscope.runner.runtime.trace_by_shape import TraceByShape
from gradscope.runner.step.probe_result import PassCounter, ProbeResult
from gradscope.runner.step.sizes import sample_count
from gradscope.runner.survey.sites import SiteMap
from gradscope.runner.train_step.gradient_calls import StepRecording, recorded_gradients
from gradscope.runner.train_step.profile import Profile, ProfileTensors
from gradscope.runner.train_step.trained_parts import TrainedParts

_ROW = {name: row for row, name in enumerate(STATISTICS)}

READERS = ("ReadVariableOp", "VariableShape", "VarIsInitializedOp", "ResourceGather")
"""Operations that take a variable and leave it as it is."""

OWN_LOSS = (
    'give the loss: gradscope.GradientFlow(loss=fn), or loss={"generator": fn, ...}, where '
    "fn(model, batch) returns a number"
)


class NoGradient(BadRequest):
    """A function that takes no gradient of what is trained."""


@dataclass(frozen=True)
class MeasuredProfile:
    """The figures of one profile in one step, as `RecordBuilder.step` takes them."""

    statistics: Floats
    scalars: tuple[float, ...]
    distributions: Callable[[], ProbeResult]

    @property
    def finite(self) -> bool:
        """Whether no NaN and no Inf was met."""
        lost = np.nansum(self.statistics[_ROW["nonfinite_count"]])
        return bool(np.isfinite(self.scalars[0])) and not lost > 0


@dataclass(frozen=True)
class ProfileInfo:
    """Name, layers, calls and optimizer of a profile; the name is "" for all that is trained."""

    name: str
    sites: SiteMap
    calls: frozenset[Any]
    optimizer: Any


class TrainStepTrace:
    """The profiles of a training step, ``step(*batch)``, that trains the models of `parts`.

    Raises `BadRequest` for a step that takes no gradient which can be reached; `subject` is what
    the messages call it, `remedy` the way out.
    """

    def __init__(
        self,
        parts: TrainedParts,
        step: Callable[..., Any],
        batch: Sequence[Any],
        *,
        subject: str,
        remedy: str = OWN_LOSS,
    ) -> None:
        self._parts, self._step = parts, step
        self._subject, self._remedy = subject, remedy
        self.profiles: tuple[ProfileInfo, ...] = ()
        self._steps = TraceByShape(self._traced)
        self._counters: dict[str, PassCounter] = {}
        if not parts.built:
            self._build(batch)
        with self._without_side_effects(batch):
            pass

    def _build(self, batch: Sequence[Any]) -> None:
        """Trace the step once, as its first call would, so that layers and optimizers are built.

        The weights are drawn as they would have been: no generator is put back.
        """
        specs = keras.tree.map_structure(_spec, tuple(batch))
        with self._refusing():
            tf.function(self._step, autograph=False).get_concrete_function(*specs)

    @contextlib.contextmanager
    def _refusing(self) -> Any:
        """Say in one sentence that a step cannot be traced, and the way out."""
        try:
            yield
        except BadRequest:
            raise
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            reason = sanitise(lines[-1] if type(error).__module__.startswith("tens") else lines[0])
            raise BadRequest(
                f"{self._subject} cannot be traced in a graph of its own "
                f"({type(error).__name__}: {reason[:200]})",
                self._remedy,
            ) from error

    @contextlib.contextmanager
    def _without_side_effects(self, batch: Sequence[Any]) -> Any:
        """The traced step for this batch; at the end every variable is as it was."""
        with preserved_random_generators(), self._refusing():
            traced = self._steps.trace(*batch)
        saved = [
            (handle, tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype))
            for handle, dtype in _changed_variables(traced)
        ]
        try:
            yield traced
        finally:
            for handle, value in saved:
                tf.raw_ops.AssignVariableOp(resource=handle, value=value)

    def measure(self, *batch: Any) -> list[MeasuredProfile]:
        """Measure the step that is made on `batch` next; every variable stays as it is."""
        with self._without_side_effects(batch) as traced:
            results = traced(*batch)
        samples = int(sample_count(_first(batch)))
        return [
            self._measured(info, samples, ProfileTensors(*result))
            for info, result in zip(self.profiles, results, strict=True)
        ]

    def _measured(self, info: ProfileInfo, samples: int, step: ProfileTensors) -> MeasuredProfile:
        figures = step.statistics.numpy()
        ratios = figures[_ROW["update_ratio"]]
        if not np.nansum(ratios):  # a step that only adds up gradients makes no update
            ratios[:] = np.nan

        def distributions() -> ProbeResult:
            counter = self._counters.setdefault(info.name, PassCounter(info.sites))
            return counter.count(step.z, step.deltas, samples)

        return MeasuredProfile(figures, tuple(step.scalars.numpy().tolist()), distributions)

    def _traced(self, *batch: Any) -> list[Any]:
        with recorded_gradients(self._parts) as made:
            self._step(*batch)
        profiles = self._profiles(made)
        self._refuse_other_calls(profiles)
        samples = sample_count(_first(batch))
        ended = {id(k): tf.convert_to_tensor(k) for p in profiles for k in p.kernels}
        results = [profile.measure(samples, ended) for profile in profiles]
        infos = tuple(ProfileInfo(p.name, p.sites, p.calls, p.optimizer) for p in profiles)
        self.profiles = self.profiles or infos
        return [(r.statistics, r.scalars, r.z, r.deltas) for r in results]

    def _refuse_other_calls(self, profiles: Sequence[Profile]) -> None:
        known = [(profile.name, profile.calls) for profile in self.profiles]
        if known and known != [(profile.name, profile.calls) for profile in profiles]:
            raise BadRequest(
                f"{self._subject} calls other layers on a batch of another shape", self._remedy
            )

    def _profiles(self, made: StepRecording) -> list[Profile]:
        """The profiles under names that no two of them share."""
        calls = made.first_of_each()
        if made.nested:
            raise BadRequest(
                f"{self._subject} takes a gradient inside a loop or branch of the graph "
                "(tf.while_loop, tf.cond, or `for` over a tensor), where it cannot be measured",
                self._remedy,
            )
        if not calls:
            raise NoGradient(
                f"{self._subject} takes no tape.gradient(loss, variables) of trained variables",
                self._remedy,
            )
        names = [
            self._parts.name(call.variables) if call.label is None else call.label for call in calls
        ]
        if len(calls) > 1:
            names = [name or "model" for name in names]
        known, profiles = {profile.name: profile.sites for profile in self.profiles}, []
        for at, (call, name) in enumerate(zip(calls, names, strict=True)):
            earlier = names[:at].count(name)
            distinct = f"{name}-{earlier + 1}" if earlier else name
            profiles.append(Profile(made, call, distinct, known.get(distinct)))
        return profiles


def _changed_variables(traced: Any) -> list[tuple[Any, Any]]:
    """Handle and dtype of each variable that a traced function may change."""
    graph = traced.graph
    changed = {
        tensor.name
        for op in graph.get_operations()
        if op.type not in READERS
        for tensor in op.inputs
        if tensor.dtype == tf.resource
    }
    pairs = []
    for outer, inner in graph.captures:
        data = getattr(outer, "_handle_data", None)
        kinds = data.shape_and_type if data is not None and data.is_set else ()
        if outer.dtype == tf.resource and inner.name in changed and kinds:
            pairs.append((outer, tf.as_dtype(kinds[0].dtype)))
    return pairs


def _first(batch: Sequence[Any]) -> Any:
    """The first tensor of a batch that has an axis; of a batch of numbers, one of length 1."""
    leaves = [leaf for leaf in keras.tree.flatten(batch) if leaf is not None]
    return next((leaf for leaf in leaves if leaf.shape.rank), tf.zeros([1]))


def _spec(leaf: Any) -> Any:
    return None if leaf is None else tf.TensorSpec(leaf.shape, leaf.dtype)
