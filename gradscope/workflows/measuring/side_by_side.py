"""Measure several configs at the same time, each in a worker of its own."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from gradscope.errors import GradscopeError
from gradscope.record import RunRecord
from gradscope.runner.process import supervisor
from gradscope.workflows.measuring.engine import Measurement, Watch, Workers, ignore_event

Outcome = list[RunRecord] | GradscopeError
"""The records of a measurement, or the error that ended it."""


def measure_side_by_side(
    engine: Workers,
    measurements: Sequence[Measurement],
    watch: Watch = ignore_event,
    *,
    most: int | None = None,
    remedy: str = "",
) -> Generator[tuple[int, Outcome], None, None]:
    """Measure at most `most` at a time (default: one per core); index and outcome as each ends.

    An error ends its own measurement only. A signal ends all of them; then `Interrupted`, with
    `remedy`, is raised after the last outcome. Signals are noted until the iterator is closed.
    """
    most = most or max(1, min(len(measurements), os.cpu_count() or 1))
    with supervisor.recorded_stop_signals() as signals:
        engine = replace(engine, signals=signals)
        with ThreadPoolExecutor(most) as pool:
            waiting: dict[Future[Outcome], int] = {
                pool.submit(_outcome, engine, measurement, watch): index
                for index, measurement in enumerate(measurements)
            }
            while waiting:
                # Not for ever: a signal that another thread receives is seen when this one wakes.
                done, _ = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        if signals:
            raise supervisor.interrupted(signals[0], remedy)


def _outcome(engine: Workers, measurement: Measurement, watch: Watch) -> Outcome:
    try:
        return list(engine.measure(measurement, watch))
    except GradscopeError as error:
        return error
