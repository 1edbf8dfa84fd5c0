"""The failures of gradscope, each with its exit code.

Exit codes are public API: CI jobs read them. Code 1 is never an error: it means
that a complete measurement has findings, so no exception here has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """The closed set of codes the command can end with."""

    HEALTHY = 0
    UNHEALTHY = 1
    BAD_REQUEST = 2
    COULD_NOT_MEASURE = 3
    INCONCLUSIVE = 4
    INTERRUPTED = 130
    TERMINATED = 143


class GradscopeError(Exception):
    """A failure that gradscope explains in a sentence; `remedy` says what to do.

    `partial` is the record of what was measured before it happened, if there is one.
    """

    exit_code: ExitCode = ExitCode.COULD_NOT_MEASURE
    partial: Any = None

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class BadRequest(GradscopeError):
    """An unusable command line, config, data, model or output path; nothing was trained."""

    exit_code = ExitCode.BAD_REQUEST


class CouldNotMeasure(GradscopeError):
    """The environment failed: TensorFlow, memory, the worker, the disk. Trying again may help."""

    exit_code = ExitCode.COULD_NOT_MEASURE


class Inconclusive(GradscopeError):
    """The measurement is complete, but too little of it is usable for an answer."""

    exit_code = ExitCode.INCONCLUSIVE


class Interrupted(GradscopeError):
    """The run was stopped from outside; the measurements until then are kept."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(frozen=True)
class Problem:
    """One mistake in a config: its location, the expected and the received value.

    `line` and `column` count from 1; 0: the mistake is not in a file but in an override.
    """

    source: str
    line: int
    column: int
    key: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        location = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        key = f" {self.key}:" if self.key else ""
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"{location}: error:{key} {self.message}{remedy}"


class ConfigError(BadRequest):
    """All mistakes of a config, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.source, p.line, p.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
