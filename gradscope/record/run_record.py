"""RunRecord: everything that one run measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.record.environment import Environment
from gradscope.record.fault import Fault
from gradscope.record.files.series_on_disk import Rows, some_rows
from gradscope.record.initial_draws import InitialDraws
from gradscope.record.initial_weights import InitialWeight
from gradscope.record.layers import LayerInfo, Role, branches
from gradscope.record.nonfinite_origin import NonFiniteOrigin
from gradscope.record.objective.objective_info import ObjectiveInfo, TargetSummary
from gradscope.record.objective.objective_start import CONSTANT_LOSS, ObjectiveStart
from gradscope.record.objective.output_record import OUTPUT_ARRAYS, OutputRecord
from gradscope.record.objective.probe_answers import ProbeAnswers
from gradscope.record.sample_geometry import SampleGeometry

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class OutcomeStatus(StrEnum):
    """How a run ended: the `status` of result.json.

    Of a run that diverged (it stopped because a non-finite value appeared) the figures up to that
    value are complete. A partial run was interrupted or failed.
    """

    COMPLETE = "complete"
    DIVERGED = "diverged"
    PARTIAL = "partial"


@dataclass(frozen=True)
class Outcome:
    """How the run ended, with a sentence for a person."""

    status: OutcomeStatus
    sentence: str
    steps_requested: int
    steps_done: int

    @property
    def complete(self) -> bool:
        """Whether the record is enough for a verdict."""
        return self.status != OutcomeStatus.PARTIAL

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Outcome:
        """The outcome that `dataclasses.asdict` and JSON were made from."""
        return cls(**content | {"status": OutcomeStatus(content["status"])})


FIT = "fit"
"""Name of the data of a `model.fit` that gradscope measures: its batches."""

GIVEN = "given:data"
"""The factory that a config names when the data was given as an object."""


@dataclass(frozen=True)
class DataSummary:
    """The data really fed, after scaling.

    `geometry` is that of the samples as the first Dense layer receives them; None where a user's
    model leaves it unknown. `targets` are those of all training samples, or of the probe set where
    the data is the user's; None where they were not read.
    """

    name: str
    samples: int
    test_samples: int
    feature_shape: tuple[int, ...]
    task: str
    classes: int | None
    scaling: str
    mean: float
    second_moment: float
    minimum: float
    maximum: float
    geometry: SampleGeometry | None = None
    targets: TargetSummary | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> DataSummary:
        """The summary that `dataclasses.asdict` and JSON were made from."""
        geometry, targets = content.get("geometry"), content.get("targets")
        return cls(
            **content
            | {
                "feature_shape": tuple(content["feature_shape"]),
                "geometry": SampleGeometry.from_json(geometry) if geometry else None,
                "targets": TargetSummary.from_json(targets) if targets else None,
            }
        )


@dataclass(frozen=True)
class Histogram:
    """Counts per layer at a few steps, over the probe set.

    Shapes: `steps` [snapshot], `edges` [bin + 1] shared by all layers and steps, `counts`
    [snapshot, layer, bin] (zero for layers that are not measured), `outside` [snapshot, layer]:
    values that no bin holds (exact zeros on a log axis, non-finite ones).
    """

    quantity: str
    steps: Integers
    edges: Floats
    counts: Integers
    outside: Integers


@dataclass(frozen=True)
class RunRecord:
    """Layers, steps, one float64 array [step, layer] per statistic, and the run's conditions.

    `series` holds exactly the names of `STATISTICS`, read from a file one at a time where they are
    long; NaN is "not measured here" (or, where
    ``nonfinite_count`` is above zero, a figure that the non-finite values destroyed). `steps`
    counts training steps: step 0 is the network as initialised, seen by the first batch before any
    update; step t is the t-th training step, whose forward and backward pass use the weights
    after step t - 1. Steps 0 and 1 therefore share weights and batch and differ only in the update.
    `scalars` [step] has ``loss``, ``accuracy`` (NaN for regression) and ``learning_rate``, and
    ``constant_loss`` (that of `objective_start.constant` on the same batch) where it was measured;
    `evaluation` has the figures of the test set after training, in inference mode.
    `recurrent_delta` is `recurrent_delta_second_moment` of `PROFILES` for each recurrent layer that
    was followed through time: layer name -> [step, time]. `objective`, `objective_start`, what
    loss, targets and variables are before the first update, and `answers` are None in records of
    earlier versions; `answers` also where nothing was trained to the end. `initial_weights` is
    empty there, and where the model had been trained before. `nonfinite_origin` says where the
    first value that is not finite came from; None where all values are finite, and where the origin
    was not located. `faults` are the side computations of the measurement that failed.
    `draws` is what the layers show when their weights are drawn again; None where they were not.
    `outputs` has each of several outputs with a loss of its own; empty for one output, and in
    records of earlier versions. `others` are
    the records of the other gradients that the same training step takes, as those of a generator
    and its discriminator; each is written into a file of its own.
    """

    name: str
    layers: tuple[LayerInfo, ...]
    steps: Integers
    series: Mapping[str, Floats]
    scalars: dict[str, Floats]
    histograms: dict[str, Histogram]
    outcome: Outcome
    environment: Environment
    data: DataSummary
    config: dict[str, Any]
    batch_size: int
    probe_samples: int
    seconds: float
    evaluation: dict[str, float] = field(default_factory=dict)
    recurrent_delta: dict[str, Floats] = field(default_factory=dict)
    objective: ObjectiveInfo | None = None
    initial_weights: tuple[InitialWeight, ...] = ()
    nonfinite_origin: NonFiniteOrigin | None = None
    faults: tuple[Fault, ...] = ()
    objective_start: ObjectiveStart | None = None
    answers: ProbeAnswers | None = None
    others: tuple[RunRecord, ...] = ()
    draws: InitialDraws | None = None
    outputs: tuple[OutputRecord, ...] = ()

    @property
    def constant_loss(self) -> Floats:
        """Loss of the constant answer on the batch of each step; NaN where it is not known."""
        return self.scalars.get(CONSTANT_LOSS, np.full(len(self.steps), np.nan))

    def __repr__(self) -> str:
        done, asked = self.outcome.steps_done, self.outcome.steps_requested
        steps = f"{done} of {asked} steps, {self.outcome.status}"
        return f"<RunRecord {self.name}: {len(self.layers)} layers, {steps}>"

    def indices(self, *roles: Role) -> tuple[int, ...]:
        """Indices of the measured layers that have one of `roles`, in depth order."""
        return tuple(layer.index for layer in self.layers if layer.role in roles and layer.measured)

    @property
    def branches(self) -> bool:
        """Whether data takes several paths, so that successive layers need not feed one another."""
        return branches(self.layers)

    def at_rows(self, rows: Rows) -> RunRecord:
        """The record with some of its recorded steps."""
        return replace(
            self,
            steps=self.steps[rows],
            series=some_rows(self.series, rows),
            scalars={name: values[rows] for name, values in self.scalars.items()},
            recurrent_delta={name: values[rows] for name, values in self.recurrent_delta.items()},
            outputs=tuple(
                replace(output, **{name: getattr(output, name)[rows] for name in OUTPUT_ARRAYS})
                for output in self.outputs
            ),
        )

    def of_output(self, output: OutputRecord) -> RunRecord:
        """The record with the loss of one of `outputs` in the place of the whole loss."""
        scalars = {"loss": output.loss, "accuracy": output.accuracy}
        if not np.isnan(output.constant_loss).all():
            scalars[CONSTANT_LOSS] = output.constant_loss
        return replace(
            self,
            scalars={**self.scalars, **scalars},
            data=replace(self.data, targets=output.info.targets),
            objective=self._objective_of(output.info.objective),
            objective_start=output.start,
            answers=output.answers,
            evaluation={},
            outputs=(),
        )

    def _objective_of(self, output: ObjectiveInfo) -> ObjectiveInfo:
        """The loss of an output with the optimizer of the whole."""
        if self.objective is None:
            return output
        loss, logits, reduction = output.loss, output.from_logits, output.reduction
        return replace(self.objective, loss=loss, from_logits=logits, reduction=reduction)

    def to_frame(self, *, statistics: Sequence[str] | None = None) -> Any:
        """A pandas data frame with the columns step, layer, statistic and value.

        `statistics` limits it to some names of `STATISTICS`, their roots (``delta_rms``) and
        scalars (``loss``). What was not measured has no row. Raises `BadRequest` where pandas is
        not installed, and for an unknown name.
        """
        from gradscope.record.tidy import to_frame

        return to_frame(self, statistics=statistics)
