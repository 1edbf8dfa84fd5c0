"""What a case of a detector is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gradscope.record import RunRecord

ROUNDOFF = 2.0**-24
INSIDE, OUTSIDE = 1.0 - 1e-9, 1.0 + 1e-9
KINDS = ("healthy", "sick", "borderline")


@dataclass(frozen=True, eq=False)
class Case:
    """What a detector must answer to a record, which is made once.

    `severity` is the gravest one; "" means healthy, ``skipped`` that there is nothing to judge.
    `scales` is false where the answer is about float32's range or the optimizer's epsilon, which
    the loss's scale does decide.
    `steps` are since_step and until_step of the first finding, `layers` the names it holds.
    """

    detector: str
    kind: str
    name: str
    make: Callable[[], RunRecord]
    severity: str = ""
    steps: tuple[int, int] | None = None
    layers: tuple[str, ...] | None = None
    observed: float | None = None
    thresholds: dict[str, float] = field(default_factory=dict)
    scales: bool = True

    @cached_property
    def record(self) -> RunRecord:
        """What the detector is shown; nobody may change it."""
        made = self.make()
        for values in (*made.series.values(), *made.scalars.values()):
            values.flags.writeable = False
        return made

    def __str__(self) -> str:
        return f"{self.detector}-{self.kind}-{self.name}"


def blank(made: RunRecord, *rows: int) -> RunRecord:
    """Without any figure in these rows."""
    for values in made.series.values():
        values[list(rows)] = np.nan
    return made
