"""A circle inside a circle."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from gradscope.datasets import DATASETS
from gradscope.datasets.samples import Samples, Seed, TestFraction, split, training_only


@DATASETS.register("circles")
def circles(
    *,
    samples: Annotated[int, Ge(4), Le(10_000_000)] = 2000,
    noise: Annotated[float, Ge(0.0), Le(1e6)] = 0.1,
    factor: Annotated[float, Gt(0.0), Lt(1.0)] = 0.5,
    seed: Seed = 0,
    test_fraction: TestFraction = 0.2,
) -> Samples:
    """A small circle inside a large one, which no straight line separates.

    Class 0 lies on the unit circle, class 1 on the circle of radius `factor`, evenly spaced; normal
    noise of standard deviation `noise` is added. `samples` counts both parts.

    Shapes: x float64 [samples, 2], y int64 [samples] in {0, 1}, halves (class 1 has the odd one).
    Source: computed here; noise from numpy's default_rng(seed).
    Licence: none needed.
    """
    outer = samples // 2
    counts = [outer, samples - outer]
    angles = np.concatenate([np.linspace(0.0, 2 * np.pi, n, endpoint=False) for n in counts])
    radius = np.repeat(np.array([1.0, factor]), counts)
    x = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
    x += noise * np.random.default_rng(seed).standard_normal(x.shape)
    y = np.repeat(np.array([0, 1]), counts)
    return split(training_only(x, y, task="classification", classes=2), test_fraction, seed)
