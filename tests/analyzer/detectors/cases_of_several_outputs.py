"""One of several outputs that does not learn, beside a larger loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from gradscope.record import (
    ConstantAnswer,
    ObjectiveInfo,
    ObjectiveStart,
    OutputInfo,
    OutputRecord,
    RunRecord,
    TargetSummary,
)
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.synthetic import DATA, record

NOISE = np.where(np.arange(101) % 2, 1.0, -1.0)


def with_outputs(*levels: float, steps: int = 100, noise: float = 0.1) -> RunRecord:
    """Outputs of ten classes with losses at these levels, summed with one that falls from 1e4."""
    falling = np.linspace(1e4, 10.0, steps + 1)
    made = record(loss=falling, steps=steps, data=replace(DATA, samples=3200))
    classes = TargetSummary("indices", shares=(0.1,) * 10, samples=3200)
    constant = np.full(steps + 1, math.log(10))
    info = OutputInfo("kind", ObjectiveInfo("sparse_categorical_crossentropy"), classes)
    chosen = ConstantAnswer((0.1,) * 10, math.log(10), 3200, 3200)
    outputs = [
        OutputRecord(
            replace(info, name=f"kind_{at}"),
            level + noise * NOISE[: steps + 1],
            np.full(steps + 1, 0.1),
            constant,
            ObjectiveStart(constant=chosen),
        )
        for at, level in enumerate(levels)
    ]
    return replace(made, outputs=tuple(outputs))


def several_outputs() -> Iterator[Case]:
    """`not_learning` of a model with outputs of their own."""
    case, best = partial(Case, "not_learning"), math.log(10)
    yield case("healthy", "both_outputs_learned", partial(with_outputs, 0.3, 1.0))
    yield case("sick", "one_output_at_chance", partial(with_outputs, 0.3, best), "error")
    yield case(
        "healthy", "an_output_too_noisy", partial(with_outputs, 0.3, best, noise=1.0), "skipped"
    )
    yield case(
        "borderline", "output_inside", partial(with_outputs, 0.99 * best * INSIDE, noise=0.0)
    )
    far = partial(with_outputs, 0.99 * best * OUTSIDE, noise=0.0)
    yield case("borderline", "output_outside", far, "error")
