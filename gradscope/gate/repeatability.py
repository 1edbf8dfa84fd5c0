"""Whether measuring twice gives the same bytes, and how far another setting changes the figures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradscope.gate.baselines import figures
from gradscope.record import RunRecord, storage

PROVING_CONFIG: dict[str, Any] = {
    "name": "doctor",
    "model": {
        "depth": 8,
        "width": 128,
        "batch_norm": "before_activation",
        "dropout": 0.1,
    },
    "data": {"name": "gaussian", "samples": 2048, "features": 64, "classes": 4},
    "training": {
        "steps": 30,
        "batch_size": 128,
        "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    },
}
"""A small network of everything that was measured to change bits: batch norm, dropout, momentum."""


@dataclass(frozen=True)
class Drift:
    """The largest |difference| of the logarithms of second moments: first step, last step."""

    first_step: float
    last_step: float


def digest(records: Sequence[RunRecord]) -> str:
    """SHA-256 of everything in the records but how long they took."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(storage.dumps(replace(record, seconds=0.0)))
    return digest.hexdigest()


def drift(one: RunRecord, other: RunRecord) -> Drift:
    """How far two records of one seed are apart, over signal and delta of all layers."""
    return Drift(_apart(one, other, 0), _apart(one, other, -1))


def _apart(one: RunRecord, other: RunRecord, row: int) -> float:
    largest = 0.0
    for name in ("signal", "delta"):
        statistic = figures.QUANTITIES[name].statistic
        with np.errstate(all="ignore"):
            ratio = np.log(one.series[statistic][row]) - np.log(other.series[statistic][row])
        known = np.abs(ratio[np.isfinite(ratio)])
        largest = max(largest, float(known.max(initial=0.0)))
    return largest
