"""One file per verdict; a new file here is a new detector.

A detector is a function from a record to findings. Its name is the function's name, its code is
given to the decorator, its thresholds are its keyword-only parameters (they are the YAML keys under
``detectors:``), and its docstring is its documentation (`gradscope.analyzer.explanation` reads it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gradscope.record import Finding, RunRecord
from gradscope.registry import Registry

DetectorFunction = Callable[..., tuple[Finding, ...]]

EVERY_EARLIER = ("*",)
"""`follows` of a detector whose finding goes with that of any detector of a smaller rank."""


@dataclass(frozen=True)
class Detector:
    """A detector as the other rooms see it.

    `rank` orders causes before their consequences among findings that began at the same step: a
    smaller rank is nearer the root. `follows` names the detectors whose finding, where there is
    one, this one's goes with: it is then no second fault. `causes` says the same from the other
    end, so that a new cause needs no change in the file of its consequence. `in_training` is false
    for a detector of inference alone, which explains nothing that happens in training. `explains`
    is true for one whose finding, beside that of a cause, is the reason for it and no second fault.
    `beside_no_error` is true for one whose error is a warning where another error stands beside it:
    networks learn with this fault, so that the other one is why a network does not. `then_causes`
    are causes of findings that began after initialisation alone.
    """

    code: str
    name: str
    rank: int
    function: DetectorFunction
    follows: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    in_training: bool = True
    explains: bool = False
    beside_no_error: bool = False
    then_causes: tuple[str, ...] = ()

    def __call__(self, record: RunRecord, **thresholds: float) -> tuple[Finding, ...]:
        """Judge `record`; raises `NotMeasured`."""
        return self.function(record, **thresholds)

    def follows_from(self, other: Detector) -> bool:
        """Whether a finding of this detector goes with one of `other`."""
        if self.follows == EVERY_EARLIER:
            return other.rank < self.rank and other.in_training
        return other.name in self.follows or self.name in other.causes


DETECTORS: Registry[Detector] = Registry("gradscope.analyzer.detectors")


def detector(
    code: str,
    *,
    rank: int,
    follows: tuple[str, ...] = (),
    causes: tuple[str, ...] = (),
    in_training: bool = True,
    explains: bool = False,
    beside_no_error: bool = False,
    then_causes: tuple[str, ...] = (),
) -> Callable[[DetectorFunction], DetectorFunction]:
    """Register the decorated function as the detector `code`."""

    def add(function: DetectorFunction) -> DetectorFunction:
        name = function.__name__
        made = Detector(
            code=code,
            name=name,
            rank=rank,
            function=function,
            follows=follows,
            causes=causes,
            in_training=in_training,
            explains=explains,
            beside_no_error=beside_no_error,
            then_causes=then_causes,
        )
        DETECTORS.register(name, key=code)(made)
        return function

    return add
