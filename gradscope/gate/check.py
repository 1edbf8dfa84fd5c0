"""What a check of one config comes to: named checks, each with its answer and its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradscope.record import Diagnosis, Remedy, RunRecord


class Status(StrEnum):
    """The answer of one check. Only ``passed`` says that something was looked at and found good."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Difference:
    """How far one figure of one layer (or of the whole network) stands from the baseline's.

    `quantity` is a name of `gradscope.gate.baselines.figures`, `layer` the layer's name, empty for
    a figure of the whole network. `before` and `after` are means over the seeds, as a reader
    reads them: rms ratios, fractions. `effect` says the difference in words (``+10%``, ``x0.31``,
    ``0.1 to 0.4``), `interval` its range over the seeds (its confidence interval where seeds
    are not paired), both in % of the rms, or in points of a share.
    """

    quantity: str
    layer: str
    before: float
    after: float
    effect: str
    interval: str


@dataclass(frozen=True)
class Check:
    """One named question and its answer.

    `name` is stable (a test case's name, a SARIF rule): ``verdicts``, ``theory``, ``structure``,
    ``initialisation``, ``training``, ``expect.min_accuracy``, or, for what a detector found, its
    code and name as in ``GS101 vanishing_gradient``. `sentence` is the answer with its figures, for
    a person; `evidence` what it rests on (seeds, steps, samples, tolerance); `differences` the
    layers that depart, the first one in the direction of the flow first; `remedies` what to do,
    the best first. `caused_by` is the code of the finding that this one follows from.
    """

    name: str
    status: Status
    sentence: str
    evidence: str = ""
    layers: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    caused_by: str = ""


@dataclass(frozen=True)
class Checked:
    """One config, checked.

    `source` is the config's file as it was given, `name` the experiment's. `exit_code` is the code
    of this config alone; `headline` the one sentence to read. `changes` says in words what differs
    between the baseline's config or environment and this one. `baseline` is the path of the file
    that was compared with, empty without one. `folder` holds the full report. `remedies` say what
    to do first. Record and diagnosis are those of the config's own seed, None when it could not be
    measured: then `headline` says why and `remedy` what its error advises, and there are no checks.
    """

    name: str
    source: str
    exit_code: int
    headline: str
    checks: tuple[Check, ...] = ()
    changes: tuple[str, ...] = ()
    baseline: str = ""
    folder: str = ""
    evidence: str = ""
    remedies: tuple[Remedy, ...] = ()
    remedy: str = ""
    record: RunRecord | None = None
    diagnosis: Diagnosis | None = None
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status is Status.FAILED)

    @property
    def outcome(self) -> str:
        """``passed``, ``failed``, ``inconclusive`` or ``not measured``: the exit code in a word."""
        words = {0: "passed", 1: "failed", 4: "inconclusive"}
        return words.get(self.exit_code, "not measured")
