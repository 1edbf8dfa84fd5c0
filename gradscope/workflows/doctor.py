"""Measure the same thing several times, and compare the results bit by bit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import GradscopeError, Interrupted
from gradscope.gate import repeatability
from gradscope.record import RunRecord
from gradscope.reporters.doctor import DoctorReport
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.measuring.engine import Measurement, Workers
from gradscope.workflows.measuring.inputs import check_inputs
from gradscope.workflows.measuring.side_by_side import measure_side_by_side

VARIABLES = (
    "KERAS_BACKEND",
    "KERAS_HOME",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "TF_USE_LEGACY_KERAS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "PYTHONHASHSEED",
)
"""Variables that change what TensorFlow and Keras compute; a worker sees none of them but the last,
which changes nothing."""


def examine(config: ExperimentConfig, engine: Workers) -> DoctorReport:
    """Measure two seeds of `config` twice, and once with another number of threads.

    Each time in a worker process of its own, all three side by side.
    """
    with _without_promise_to_keep():
        return _examine(config, engine)


@contextlib.contextmanager
def _without_promise_to_keep() -> Iterator[None]:
    """Nothing of an interrupted examination is kept, so its message must not say so."""
    try:
        yield
    except Interrupted as error:
        error.partial, error.remedy = None, "nothing was kept: run it again"
        raise


def _examine(config: ExperimentConfig, engine: Workers) -> DoctorReport:
    check_inputs(config, trust_model=engine.trust_model)
    other_threads = replace(config, threads=2 if config.threads == 1 else 1)
    seeds = Seeds(trained=(config.seed,), initial=(config.seed + 1,))
    measurements = [Measurement(variant, seeds) for variant in (config, config, other_threads)]
    runs: dict[int, list[RunRecord]] = {}
    for index, outcome in measure_side_by_side(engine, measurements):
        if isinstance(outcome, GradscopeError):
            raise outcome
        runs[index] = outcome
    first, second, other = (runs[index] for index in range(len(measurements)))
    return DoctorReport(
        record=first[0],
        digests=(repeatability.digest(first), repeatability.digest(second)),
        drift=repeatability.drift(first[0], other[0]),
        other_threads=other[0].environment.threads,
        ignored_variables=tuple(name for name in VARIABLES if name in os.environ),
    )
