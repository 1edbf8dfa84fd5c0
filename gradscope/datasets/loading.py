"""From a name in the config to the arrays that the network receives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradscope.datasets import DATASETS
from gradscope.datasets.array_hash import add_array
from gradscope.datasets.checking import check
from gradscope.datasets.samples import Samples, blocks
from gradscope.datasets.scaling import scale
from gradscope.errors import BadRequest
from gradscope.message_text import did_you_mean
from gradscope.record import DataSummary
from gradscope.record.objective.objective_info import target_summary


def load(
    name: str,
    parameters: Mapping[str, Any],
    scaling: str,
    batch_size: int,
    *,
    allow_nonfinite: bool = False,
) -> Samples:
    """A data set by name: read or generated, checked and scaled, with the notes of the check."""
    try:
        dataset = DATASETS[name]
    except KeyError:
        raise BadRequest(
            f"data.name: {name!r} is not one of {', '.join(DATASETS)}",
            did_you_mean(name, DATASETS),
        ) from None
    return prepare(dataset(**parameters), scaling, batch_size, allow_nonfinite=allow_nonfinite)


def prepare(
    samples: Samples, scaling: str, batch_size: int, *, allow_nonfinite: bool = False
) -> Samples:
    """Raw samples, checked and scaled, with the notes of the check."""
    notes = check(samples, batch_size=batch_size, allow_nonfinite=allow_nonfinite)
    return replace(scale(samples, scaling), notes=notes)


def fingerprint(samples: Samples) -> str:
    """SHA-256 of training and test arrays: equal digests mean equal data, bit for bit."""
    digest = hashlib.sha256()
    for array in (samples.x, samples.y, samples.x_test, samples.y_test):
        add_array(digest, array)
    return digest.hexdigest()


def summary(samples: Samples, name: str, scaling: str) -> DataSummary:
    """Size and moments of the scaled features of the training part, in float64."""
    total = squares = 0.0
    for rows in blocks(samples.x):
        values = samples.x[rows].astype(np.float64)
        total += float(values.sum())
        squares += float(np.square(values).sum())
    return DataSummary(
        name=name,
        samples=len(samples.x),
        test_samples=len(samples.x_test),
        feature_shape=samples.x.shape[1:],
        task=samples.task,
        classes=samples.classes,
        scaling=scaling,
        mean=total / samples.x.size,
        second_moment=squares / samples.x.size,
        minimum=float(samples.x.min()),
        maximum=float(samples.x.max()),
        targets=target_summary(samples.y, samples.classes),
    )
