"""Standard normal inputs: what the theory of signal propagation assumes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from gradscope.datasets import DATASETS
from gradscope.datasets.samples import (
    Samples,
    Seed,
    TestFraction,
    blocks,
    refuse_if_too_large,
    split,
    training_only,
)


@DATASETS.register("gaussian")
def gaussian(
    *,
    samples: Annotated[int, Ge(1), Le(10_000_000)] = 2000,
    features: Annotated[int, Ge(1), Le(1_000_000)] = 100,
    classes: Annotated[int, Ge(2), Le(10_000)] = 10,
    seed: Seed = 0,
    test_fraction: TestFraction = 0.2,
) -> Samples:
    """Independent standard normal features, the inputs for which theory's figures are exact.

    The label is the class whose score is largest under a random linear teacher, so that a network
    can learn it; with independent random labels a falling loss would only mean memorising. With
    scaling: none the features keep mean 0 and variance 1 as drawn. `samples` counts both parts.

    Shapes: x float32 [samples, features], y int64 [samples]; classes are about equally frequent
    when features is well above classes. With 1 feature only two classes ever occur.
    Source: drawn here from numpy's default_rng(seed).
    Licence: none needed.
    """
    refuse_if_too_large(samples, features)
    refuse_if_too_large(classes, features)
    generator = np.random.default_rng(seed)
    teacher = generator.standard_normal((features, classes))
    x = generator.standard_normal((samples, features), dtype=np.float32)
    # In float64 no machine's order of summation turns a near tie into another label.
    scores = (x[rows].astype(np.float64) @ teacher for rows in blocks(x))
    y = np.concatenate([np.argmax(score, axis=1) for score in scores]).astype(np.int64)
    return split(training_only(x, y, task="classification", classes=classes), test_fraction, seed)
