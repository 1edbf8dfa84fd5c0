"""Training the wide corpus, case by case: what has an answer is not trained again."""

from __future__ import annotations

import gc
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.detectors.case import SICK, Case
from benchmarks.detectors.wide import kept

Pass = tuple[str, Callable[[Case, Path], bool], Callable[[Case, Path], None]]


def mixed(cases: Sequence[Case]) -> list[Case]:
    """The cases in the order of a hash: the first ones are a random sample, the same every time."""
    return sorted(cases, key=lambda case: hashlib.sha256(case.name.encode()).digest())


def train(
    cases: Sequence[Case], folder: Path, *, again: bool, remedies: bool, seconds: float
) -> int:
    """Make what is missing; after `seconds` no further one begins. Gives how many are missing."""
    import keras

    from benchmarks.detectors.wide import plain_pass, remedying, runs

    passes: list[Pass] = [
        ("record", kept.measured, runs.measured),
        ("plain", kept.trained, plain_pass.observed),
    ]
    if remedies:
        passes.append(("remedy", kept.remedied, remedying.tried))
    waiting = [
        (name, case, run)
        for name, done, run in passes
        for case in mixed(cases)
        if (again or not done(case, folder)) and (name != "remedy" or _has_remedy(case, folder))
    ]
    begun = time.monotonic()
    for number, (name, case, run) in enumerate(waiting):
        if time.monotonic() - begun > seconds:
            return len(waiting) - number
        started = time.process_time()
        try:
            run(case, folder)
        except Exception as error:  # the next case can still be trained
            sys.stderr.write(f"FAILED  {name:7} {case.name}: {type(error).__name__}: {error}\n")
        keras.backend.clear_session()
        gc.collect()
        sys.stderr.write(f"{time.process_time() - started:5.1f} s  {name:7} {case.name}\n")
    return 0


def _has_remedy(case: Case, folder: Path) -> bool:
    return case.label == SICK and kept.measured(case, folder)
