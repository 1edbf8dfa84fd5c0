"""Which steps of a `fit` are measured where the user names none: many at first, then fewer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gradscope.errors import BadRequest

_DENSE_BITS = 5
"""Every step below 2**5 is measured: a start is where layers die and losses explode."""

SPARSEST = 64
"""The largest distance between two measured steps, at which measuring adds about a tenth to the
time of a training (docs/callback.md)."""


def distance_at(step: int) -> int:
    """Distance of the measured steps around `step`: 1 below 32, 2 below 64, 4 below 128, to 64.

    It doubles with the step, so that each doubling of a training adds 16 measured steps until it
    is `SPARSEST`. It does not depend on the length, which nobody knows of a generator or where a
    callback stops early. 60 steps have 46 measured ones, 1,000 have 112, 10,000 have 253.
    """
    return min(SPARSEST, 1 << max(0, step.bit_length() - _DENSE_BITS))


def is_measured(step: int, every: int | None) -> bool:
    """Whether `step`, from 1 on, is measured; `every` is the distance that the user gave."""
    return step == 1 or step % (every or distance_at(step)) == 0


def checked_counts(name: str, values: Iterable[int]) -> list[int]:
    """The numbers of steps that the user gave as `name`; raises `BadRequest` for others."""
    numbers: list[Any] = list(values) if isinstance(values, Iterable) else [values]
    for value in numbers or [values]:
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < 1:
            raise BadRequest(
                f"GradientFlow({name}=...): expected whole numbers from 1 on, received {value!r}",
                "every=50 measures each 50th step, steps=[1, 10, 100] these three",
            )
    return [int(value) for value in numbers]
