"""SeedStatistics: the figures of several seeds of one config; a baseline keeps them in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradscope.errors import BadRequest, Inconclusive
from gradscope.gate.baselines import figures, fingerprint
from gradscope.record import Diagnosis, LayerInfo, OutcomeStatus, Role, RunRecord, Severity
from gradscope.record.run_record import Floats

Series = dict[str, Floats]


@dataclass(frozen=True)
class ErrorCount:
    """A detector's error: the number of trained seeds that have it, and its first message."""

    code: str
    name: str
    seeds: int
    message: str


@dataclass(frozen=True)
class SeedStatistics:
    """Figures of one config over seeds, and what decides whether two of them may be compared.

    `initial[quantity]` is [seed, layer] over `seeds` (see `figures.INITIAL`); `trained[quantity]`
    is [seed, layer] over the first `trained_seeds` of them, medians over the second half of `steps`
    training steps (`figures.TRAINED`); `learning`, and `accuracy` and `loss` on the test set, have
    one value per trained seed (NaN where there is none). NaN is "not measured", -inf the logarithm
    of an exact zero.
    `verdicts` are the errors that detectors found in the trained seeds, or at initialisation in the
    first seed where none was trained. `fingerprint` says under which conditions figures have to
    agree exactly; `data` describes the data, `config` is the resolved config.
    """

    name: str
    config: dict[str, Any]
    config_hash: str
    fingerprint: dict[str, Any]
    data: dict[str, Any]
    layers: tuple[LayerInfo, ...]
    seeds: tuple[int, ...]
    initial: Series
    trained_seeds: int
    steps: int
    trained: Series
    learning: Floats
    accuracy: Floats
    loss: Floats
    verdicts: tuple[ErrorCount, ...]

    def __repr__(self) -> str:
        trained = f"{self.trained_seeds} trained for {self.steps} steps"
        seeds = f"{len(self.seeds)} seeds, {trained}"
        return f"<SeedStatistics {self.name}: {len(self.layers)} layers, {seeds}>"

    def names(self, *roles: Role) -> tuple[str, ...]:
        """Names of the measured layers of these roles, in depth order."""
        return tuple(x.name for x in self.layers if x.role in roles and x.measured)


def from_records(
    records: Sequence[RunRecord], diagnoses: Sequence[Diagnosis], trained: int
) -> SeedStatistics:
    """Statistics of one config's records, one per seed, the first `trained` of them trained.

    `diagnoses` are those of the trained records, or of the first record where none was trained.
    """
    first = records[0]
    if first.others:
        names = ", ".join(record.name for record in (first, *first.others))
        raise BadRequest(
            f"the training step takes several gradients ({names}), and a baseline is of one",
            "gradscope run measures and judges them all",
        )
    whole = records[:trained]
    return SeedStatistics(
        name=first.name,
        config=first.config,
        config_hash=first.environment.config_hash,
        fingerprint=fingerprint.from_environment(first.environment),
        data=_data(first),
        layers=first.layers,
        seeds=tuple(record.environment.seed for record in records),
        initial=_stacked([figures.initial(record) for record in records], figures.INITIAL, first),
        trained_seeds=trained,
        steps=first.outcome.steps_requested if trained else 0,
        trained=_stacked([figures.trained(record) for record in whole], figures.TRAINED, first),
        learning=np.array([figures.learning(record) for record in whole], np.float64),
        accuracy=_evaluated(whole, "test_accuracy"),
        loss=_evaluated(whole, "test_loss"),
        verdicts=_errors(diagnoses),
    )


def refuse_diverged(records: Sequence[RunRecord]) -> None:
    """Raise `Inconclusive` where a seed diverged: no later run could be compared with it."""
    for record in records:
        if record.outcome.status == OutcomeStatus.DIVERGED:
            raise Inconclusive(
                f"seed {record.environment.seed} {record.outcome.sentence}: there is nothing to "
                "compare with",
                "`gradscope run CONFIG` tells why",
            )


def _stacked(rows: Sequence[Series], names: Sequence[str], record: RunRecord) -> Series:
    shape = (len(rows), len(record.layers))
    return {name: np.array([row[name] for row in rows]).reshape(shape) for name in names}


def _evaluated(records: Sequence[RunRecord], name: str) -> Floats:
    return np.array([record.evaluation.get(name, np.nan) for record in records], np.float64)


def _data(record: RunRecord) -> dict[str, Any]:
    data = record.data
    return {
        "name": data.name,
        "samples": data.samples,
        "test_samples": data.test_samples,
        "feature_shape": list(data.feature_shape),
        "classes": data.classes,
        "scaling": data.scaling,
        "mean": data.mean,
        "second_moment": data.second_moment,
        "hash": record.environment.data_hash,
    }


def _errors(diagnoses: Sequence[Diagnosis]) -> tuple[ErrorCount, ...]:
    """Errors by code, with the number of seeds that have each and the first message."""
    errors: dict[str, ErrorCount] = {}
    for diagnosis in diagnoses:
        for verdict in diagnosis.with_severity(Severity.ERROR):
            message = next(f.message for f in verdict.findings if f.severity is Severity.ERROR)
            earlier = errors.get(verdict.code, ErrorCount(verdict.code, verdict.name, 0, message))
            errors[verdict.code] = replace(earlier, seeds=earlier.seeds + 1)
    return tuple(errors[code] for code in sorted(errors))
