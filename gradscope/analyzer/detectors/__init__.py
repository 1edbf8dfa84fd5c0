"""One file per verdict; a new file here is a new detector.

A detector is a function from a record to findings. Its name is the function's name, its code is
given to the decorator, its thresholds are its keyword-only parameters (they are the YAML keys under
``detectors:``), and its docstring is its documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradscope.record import Finding, RunRecord
from gradscope.registry import Registry


class NotMeasured(Exception):
    """The record holds nothing this detector could judge; the message says why."""


DetectorFunction = Callable[..., tuple[Finding, ...]]


@dataclass(frozen=True)
class Detector:
    """A detector as the rest of the house sees it.

    `rank` orders causes before their consequences among findings that began at the same step:
    a smaller rank is nearer the root. `follows` names the detectors whose finding, where there is
    one, this one's goes with: it is then said there, and is no second trouble.
    """

    code: str
    name: str
    rank: int
    function: DetectorFunction
    follows: tuple[str, ...] = ()

    def __call__(self, record: RunRecord, **thresholds: float) -> tuple[Finding, ...]:
        """Judge `record`; raises `NotMeasured`."""
        return self.function(record, **thresholds)


DETECTORS: Registry[Detector] = Registry("gradscope.analyzer.detectors")


def detector(
    code: str, *, rank: int, follows: tuple[str, ...] = ()
) -> Callable[[DetectorFunction], DetectorFunction]:
    """Register the decorated function as the detector `code`."""

    def add(function: DetectorFunction) -> DetectorFunction:
        name = function.__name__
        DETECTORS.register(name)(Detector(code, name, rank, function, follows))
        return function

    return add
