"""Round clouds of points."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from gradscope.datasets import DATASETS
from gradscope.datasets.samples import Samples, Seed, TestFraction, split, training_only


@DATASETS.register("blobs")
def blobs(
    *,
    samples: Annotated[int, Ge(4), Le(10_000_000)] = 2000,
    classes: Annotated[int, Ge(2), Le(10_000)] = 3,
    noise: Annotated[float, Ge(0.0), Le(1e6)] = 1.0,
    seed: Seed = 0,
    test_fraction: TestFraction = 0.2,
) -> Samples:
    """Round clouds of points in the plane, one per class: the easiest thing to learn.

    The centres are uniform in the square from -10 to 10; the points are normal around them with
    standard deviation `noise`. Centres may fall close together. `samples` counts both parts.

    Shapes: x float64 [samples, 2], y int64 [samples]; class sizes differ by at most one.
    Source: drawn here from numpy's default_rng(seed).
    Licence: none needed.
    """
    generator = np.random.default_rng(seed)
    centers = generator.uniform(-10.0, 10.0, size=(classes, 2))
    y = np.arange(samples) % classes
    x = centers[y] + noise * generator.standard_normal((samples, 2))
    return split(training_only(x, y, task="classification", classes=classes), test_fraction, seed)
