"""Collect a run while it happens, so that an early end loses no measurement."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradscope.record.environment import Environment
from gradscope.record.fault import Fault
from gradscope.record.files.series_on_disk import RowStore, Series
from gradscope.record.initial_draws import InitialDraws
from gradscope.record.initial_weights import InitialWeight
from gradscope.record.layers import LayerInfo, Role
from gradscope.record.nonfinite_origin import NonFiniteOrigin
from gradscope.record.objective.objective_info import ObjectiveInfo
from gradscope.record.objective.objective_start import CONSTANT_LOSS, ObjectiveStart
from gradscope.record.objective.output_record import (
    OUTPUT_SCALARS,
    OutputBuilder,
    OutputInfo,
    OutputRecord,
    by_step,
)
from gradscope.record.objective.probe_answers import ProbeAnswers
from gradscope.record.run_record import (
    DataSummary,
    Floats,
    Histogram,
    Outcome,
    OutcomeStatus,
    RunRecord,
)
from gradscope.record.statistics import STATISTICS, Pass, complete_after

SCALARS = ("loss", "accuracy", "learning_rate")
_NAMES = tuple(STATISTICS)
NO_TIMES: Floats = np.zeros(0)
"""Delta over time of a network without recurrent layers."""


@dataclass(frozen=True)
class Beginning:
    """The facts of a run that are known before it trains."""

    name: str
    layers: tuple[LayerInfo, ...]
    environment: Environment
    data: DataSummary
    config: dict[str, Any]
    batch_size: int
    probe_samples: int
    steps_requested: int
    objective: ObjectiveInfo | None = None
    initial_weights: tuple[InitialWeight, ...] = ()
    outputs: tuple[OutputInfo, ...] = ()


@dataclass
class RecordBuilder:
    """Collects the messages of a run in their order; gives a RunRecord of them at any time."""

    beginning: Beginning | None = None
    evaluation: dict[str, float] = field(default_factory=dict)
    nonfinite_origin: NonFiniteOrigin | None = None
    faults: tuple[Fault, ...] = ()
    objective_start: ObjectiveStart | None = None
    final_answers: ProbeAnswers | None = None
    initial_draws: InitialDraws | None = None
    others: dict[str, RecordBuilder] = field(default_factory=dict)
    _steps: array[int] = field(default_factory=lambda: array("q"))
    _scalars: array[float] = field(default_factory=lambda: array("d"))
    _of_outputs: array[float] = field(default_factory=lambda: array("d"))
    _output_width: int = 0
    _outputs: dict[int, OutputBuilder] = field(default_factory=dict)
    _store: RowStore | None = None
    _latest: Floats | None = None
    _times: list[Floats] = field(default_factory=list)
    _dead: dict[int, Floats] = field(default_factory=dict)
    _probe_samples: int = 0
    _constant: dict[int, float] = field(default_factory=dict)
    _snapshots: dict[str, list[Histogram]] = field(default_factory=dict)

    def begin(self, beginning: Beginning) -> None:
        """Add the layers, the data and the environment."""
        self.beginning = beginning

    def profile(self, name: str) -> RecordBuilder:
        """The builder for another gradient that the same training step takes."""
        return self.others.setdefault(name, RecordBuilder())

    def output(self, position: int) -> OutputBuilder:
        """The builder for one of several outputs, in the order of `Beginning.outputs`."""
        return self._outputs.setdefault(position, OutputBuilder())

    def start(self, facts: ObjectiveStart) -> None:
        """Add what loss, targets and variables are before the first update."""
        self.objective_start = facts

    def draws(self, draws: InitialDraws) -> None:
        """Add what the layers show when the initial weights are drawn again."""
        self.initial_draws = draws

    def constant_losses(self, losses: Mapping[int, float]) -> None:
        """Add the loss of the constant answer on the batches of these steps."""
        self._constant |= losses

    def step(
        self,
        step: int,
        statistics: Floats,
        scalars: Sequence[float],
        times: Floats = NO_TIMES,
    ) -> None:
        """Add one row: float64 [statistic, layer] in the order of `STATISTICS`, and `SCALARS`.

        `OUTPUT_SCALARS` of each of several outputs follow the scalars.

        `times` is delta over time of the recurrent layers, one after another in depth order.
        The first training step also gives step 0, the network as initialised: the same weights
        and the same batch, without the statistics of the update.
        """
        if self._store is None:
            self._store = RowStore([statistics.shape[1]] * len(_NAMES))
            self._append(0, _before_update(statistics), scalars, times)
        self._append(step, statistics, scalars, times)

    def _append(
        self, step: int, statistics: Floats, scalars: Sequence[float], times: Floats
    ) -> None:
        assert self._store is not None
        self._latest = np.array(statistics, np.float64)
        self._store.append(self._latest)
        self._steps.append(step)
        self._scalars.extend(map(float, scalars[: len(SCALARS)]))
        self._append_outputs(scalars[len(SCALARS) :])
        self._times.append(np.array(times, np.float64) if len(times) else NO_TIMES)

    def _append_outputs(self, scalars: Sequence[float]) -> None:
        """Add the figures of several outputs; NaN for a row that was lost before they were."""
        if scalars and not self._output_width:
            self._output_width = len(scalars)
            self._of_outputs.extend([np.nan] * (len(self._steps) - 1) * self._output_width)
        self._of_outputs.extend(map(float, scalars or [np.nan] * self._output_width))

    def probe(self, step: int, dead_fraction: Floats, samples: int = 0) -> None:
        """Add the dead fraction [layer] of the probe set, under the weights before `step`.

        `samples` is their number where it is not that of `beginning`.
        """
        self._dead[step] = np.array(dead_fraction, np.float64)
        self._probe_samples = samples

    def histogram(self, name: str, snapshot: Histogram) -> None:
        """Add one snapshot (its arrays have one entry along the snapshot axis)."""
        self._snapshots.setdefault(name, []).append(snapshot)

    def answers(self, answers: ProbeAnswers) -> None:
        """Add what the trained network answers to the probe set."""
        self.final_answers = answers

    @property
    def steps_done(self) -> int:
        """Training steps taken so far."""
        return self._steps[-1] if self._steps else 0

    def latest(self, statistic: str, role: Role) -> list[float]:
        """The newest figures of `statistic` for the layers of `role`, in depth order."""
        if self._latest is None or self.beginning is None:
            return []
        row = self._latest[_NAMES.index(statistic)]
        return [float(row[layer.index]) for layer in self.beginning.layers if layer.role == role]

    def build(self, status: OutcomeStatus, sentence: str, seconds: float) -> RunRecord | None:
        """Give the record so far; None before `begin`."""
        if self.beginning is None:
            return None
        beginning = self.beginning
        scalars = np.array(self._scalars).reshape(-1, len(SCALARS))
        others = [other.build(status, sentence, seconds) for other in self.others.values()]
        return RunRecord(
            name=beginning.name,
            layers=beginning.layers,
            steps=np.array(self._steps, np.int64),
            series=self._series(len(beginning.layers)),
            scalars={name: scalars[:, i].copy() for i, name in enumerate(SCALARS)}
            | self._constant_loss(),
            histograms={name: _joined(parts) for name, parts in self._snapshots.items()},
            outcome=Outcome(status, sentence, beginning.steps_requested, self.steps_done),
            environment=beginning.environment,
            data=beginning.data,
            config=beginning.config,
            batch_size=beginning.batch_size,
            probe_samples=self._probe_samples or beginning.probe_samples,
            seconds=seconds,
            evaluation=dict(self.evaluation),
            recurrent_delta=self._recurrent_delta(beginning.layers),
            objective=beginning.objective,
            initial_weights=beginning.initial_weights,
            nonfinite_origin=self.nonfinite_origin,
            faults=self.faults,
            objective_start=self.objective_start,
            answers=self.final_answers,
            draws=self.initial_draws,
            others=tuple(other for other in others if other is not None),
            outputs=self._output_records(beginning.outputs),
        )

    def _series(self, layers: int) -> Mapping[str, Floats]:
        """The figures by statistic: in memory, or on disk where they are many."""
        if self._store is None:
            return {name: np.empty((0, layers)) for name in _NAMES}
        rows = self._store.rows()
        dead = {row: values for step, values in self._dead.items() for row in self._rows_of(step)}

        def read(name: str) -> Floats:
            values = rows.part(_NAMES.index(name))
            if name == "dead_fraction":
                for row, shares in dead.items():
                    values[row] = shares
            return values

        return Series(_NAMES, read) if self._store.on_disk else {n: read(n) for n in _NAMES}

    def _constant_loss(self) -> dict[str, Floats]:
        """The loss of the constant answer at each recorded step, if it is known at one of them."""
        losses = by_step(self._constant, self._steps)
        return {} if np.isnan(losses).all() else {CONSTANT_LOSS: losses}

    def _output_records(self, outputs: Sequence[OutputInfo]) -> tuple[OutputRecord, ...]:
        """The record of each of several outputs."""
        if not outputs:
            return ()
        rows, width = len(self._steps), len(OUTPUT_SCALARS)
        table = np.full((rows, len(outputs), width), np.nan)
        if self._output_width:
            table = np.array(self._of_outputs).reshape(table.shape)
        return tuple(
            self.output(at).build(info, self._steps, table[:, at])
            for at, info in enumerate(outputs)
        )

    def _recurrent_delta(self, layers: Sequence[LayerInfo]) -> dict[str, Floats]:
        """Delta over time by layer name, each [step, time]."""
        by_name: dict[str, Floats] = {}
        start = 0
        for layer in layers:
            if layer.time_steps:
                end = start + layer.time_steps
                absent = np.full(layer.time_steps, np.nan)
                rows = [times[start:end] if len(times) else absent for times in self._times]
                by_name[layer.name] = np.array(rows, np.float64).reshape(-1, layer.time_steps)
                start = end
        return by_name

    def _rows_of(self, step: int) -> list[int]:
        return [
            row
            for row, recorded in enumerate(self._steps)
            if recorded == step or (step == 1 and recorded == 0)
        ]


def _before_update(statistics: Floats) -> Floats:
    """The first step without the effects of its update: no ratio, no later non-finite values."""
    before = np.array(statistics, np.float64)
    before[[_NAMES.index(name) for name in complete_after(Pass.UPDATE)]] = np.nan
    passes = [_NAMES.index(f"nonfinite_{name}_count") for name in ("forward", "backward")]
    total = _NAMES.index("nonfinite_count")
    measured = ~np.isnan(statistics[total])
    before[total, measured] = np.nansum(before[passes], axis=0)[measured]
    return before


def _joined(parts: Sequence[Histogram]) -> Histogram:
    return Histogram(
        quantity=parts[0].quantity,
        steps=np.concatenate([part.steps for part in parts]),
        edges=parts[0].edges,
        counts=np.concatenate([part.counts for part in parts]),
        outside=np.concatenate([part.outside for part in parts]),
    )
