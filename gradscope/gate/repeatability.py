"""Compare two measurements byte by byte, and the figures of two settings."""

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
"""A small network with everything known to change bits: batch norm, dropout, momentum."""


@dataclass(frozen=True)
class Drift:
    """The largest |difference| of the logarithms of second moments: first step, last step."""

    first_step: float
    last_step: float


def digest(records: Sequence[RunRecord]) -> str:
    """SHA-256 of everything in the records except their duration."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(storage.dumps(replace(record, seconds=0.0)))
    return digest.hexdigest()


def drift(first: RunRecord, second: RunRecord) -> Drift:
    """Give the largest distance of two records of one seed, over signal and delta of all layers."""
    return Drift(_distance(first, second, 0), _distance(first, second, -1))


def _distance(first: RunRecord, second: RunRecord, row: int) -> float:
    largest = 0.0
    for name in ("signal", "delta"):
        statistic = figures.QUANTITIES[name].statistic
        with np.errstate(all="ignore"):
            ratio = np.log(first.series[statistic][row]) - np.log(second.series[statistic][row])
        finite = np.abs(ratio[np.isfinite(ratio)])
        largest = max(largest, float(finite.max(initial=0.0)))
    return largest
