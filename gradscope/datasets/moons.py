"""Two interleaving half circles."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from gradscope.datasets import DATASETS
from gradscope.datasets.samples import Samples, Seed, TestFraction, split, training_only


@DATASETS.register("moons")
def moons(
    *,
    samples: Annotated[int, Ge(4), Le(10_000_000)] = 2000,
    noise: Annotated[float, Ge(0.0), Le(1e6)] = 0.1,
    seed: Seed = 0,
    test_fraction: TestFraction = 0.2,
) -> Samples:
    """Two interleaving half circles in the plane, which no straight line separates.

    Class 0 lies on (cos t, sin t), class 1 on (1 - cos t, 1/2 - sin t), t evenly spaced from 0 to
    pi; normal noise of standard deviation `noise` is added. `samples` counts both parts.

    Shapes: x float64 [samples, 2], y int64 [samples] in {0, 1}, halves (class 1 has the odd one).
    Source: computed here; noise from numpy's default_rng(seed).
    Licence: none needed.
    """
    upper = np.linspace(0.0, np.pi, samples // 2)
    lower = np.linspace(0.0, np.pi, samples - len(upper))
    x = np.concatenate(
        [
            np.stack([np.cos(upper), np.sin(upper)], axis=1),
            np.stack([1.0 - np.cos(lower), 0.5 - np.sin(lower)], axis=1),
        ]
    )
    x += noise * np.random.default_rng(seed).standard_normal(x.shape)
    y = np.repeat(np.array([0, 1]), [len(upper), len(lower)])
    return split(training_only(x, y, task="classification", classes=2), test_fraction, seed)
