"""A member of a sweep as a job: plain JSON in, JSON and the bytes of a record out.

Every engine (local workers, a cluster) carries `Job` and `JobResult` and nothing else, so that all
give the same figures.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import ExitCode, GradscopeError
from gradscope.record import storage
from gradscope.record.sweep_table import Look, Profile, RowStatus
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.analysis import analyze
from gradscope.workflows.sweep.member_figures import Figures, record_figures, theory_figures


@dataclass(frozen=True)
class Job:
    """One member to measure: its resolved config, and how deep to look.

    `graph` is equal for members that can share a traced network; `process` for those that can share
    a process (threads and device are set once in it).
    """

    key: str
    config: dict[str, Any]
    look: str
    graph: str
    process: str
    trust: bool = False

    def to_json(self) -> str:
        """The job as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Job:
        """The job that `to_json` gave."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class JobResult:
    """The cells and the profile of a member, and the bytes of its record; none where it failed.

    `code` is the exit code of a member that failed, 0 otherwise.
    """

    key: str
    cells: Figures
    profile: dict[str, list[Any]] = field(default_factory=dict)
    code: int = 0
    record: bytes = b""

    def to_bytes(self) -> bytes:
        """The result as a JSON line and, after it, the bytes of the record."""
        head = {
            "key": self.key,
            "cells": self.cells,
            "profile": self.profile,
            "code": self.code,
        }
        return json.dumps(head).encode() + b"\n" + self.record

    @classmethod
    def from_bytes(cls, content: bytes) -> JobResult:
        """The result that `to_bytes` gave."""
        line, _, record = content.partition(b"\n")
        return cls(**json.loads(line), record=record)


class SweepEngine(Protocol):
    """Measures jobs somewhere: in worker processes of this machine, or on a cluster."""

    def submit(self, job: Job) -> Future[JobResult]:
        """Give the future result of a job; a member that cannot be measured is a result too."""
        ...

    def close(self) -> None:
        """End whatever is still running, at once."""
        ...


def failed_result(key: str, message: str, code: int) -> JobResult:
    """The result of a member that could not be measured."""
    cells: Figures = {"status": str(RowStatus.FAILED), "reason": message}
    return JobResult(key, cells, code=code)


def process_key(config: ExperimentConfig) -> str:
    """Text that is equal for configs that can be measured in one process."""
    own_code = config.model.source is not None or config.data.name == "factory"
    return json.dumps([config.threads, config.device, own_code])


Measure = Callable[[ExperimentConfig, bool], Any]
"""Gives the record of a config; the flag asks for the first step alone."""


def measured_result(job: Job, measure: Measure) -> JobResult:
    """Measure a job in this process and judge it; errors of gradscope become a failed result."""
    config = ExperimentConfig.from_dict(job.config)
    trained = job.look == Look.TRAINED
    try:
        record = measure(config, not trained)
    except GradscopeError as error:
        return failed_result(job.key, error.message, int(error.exit_code))
    diagnosis = analyze(record).diagnosis
    cells, profile = record_figures(record, diagnosis, trained=trained)
    geometry = record.data.geometry
    expected, lines = theory_figures(config, record.layers, geometry, record.batch_size)
    lines = _on_layers(lines, profile)
    both = {name: list(value) for name, value in (vars(profile) | lines).items() if len(value)}
    return JobResult(job.key, expected | cells, both, record=storage.dumps(record))


def _on_layers(lines: Any, profile: Profile) -> dict[str, tuple[float, ...]]:
    """Theory's lines, where they are about the very layers that were measured."""
    if lines.get("layers") != profile.layers:
        return {}
    return {name: values for name, values in lines.items() if name != "layers"}


def seeds_of(job: Job) -> Seeds:
    """The seeds of a job as a run of its own would measure them."""
    seed = int(job.config["seed"])
    return Seeds(trained=(seed,)) if job.look == Look.TRAINED else Seeds((), (seed,))


def crash_result(key: str, kind: str, text: str) -> JobResult:
    """The result of a member whose measurement ended with an exception that is no refusal."""
    first = (text.strip().splitlines() or [""])[0][:300]
    message = f"the measurement failed with {kind}: {first}".removesuffix(": ")
    return failed_result(key, message, int(ExitCode.COULD_NOT_MEASURE))
