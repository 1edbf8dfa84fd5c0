"""The result of checking one config: named checks, each with its status and its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradscope.record import Diagnosis, Remedy, RunRecord


class Status(StrEnum):
    """The status of one check. Only ``passed`` says that something was measured and is good."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"


class CheckKind(StrEnum):
    """What a check compares.

    ``structure``, ``initialisation``, ``training`` and ``environment`` compare with a baseline;
    ``theory`` compares with the prediction; ``detector`` is one error that a detector reports,
    ``verdicts`` all of them together; ``budget`` is one key of the config's ``expect`` section;
    ``baseline`` says why an earlier baseline cannot be compared.
    """

    STRUCTURE = "structure"
    INITIALISATION = "initialisation"
    TRAINING = "training"
    ENVIRONMENT = "environment"
    THEORY = "theory"
    DETECTOR = "detector"
    VERDICTS = "verdicts"
    BUDGET = "budget"
    BASELINE = "baseline"


@dataclass(frozen=True)
class Difference:
    """How far one figure of one layer (or of the whole network) is from the baseline's.

    `quantity` is a name of `gradscope.gate.baselines.figures`; `per_layer` marks a slope over
    depth, whose figures are per layer. `layer` is the layer's name, empty for a figure of the whole
    network. `before` and `after` are means over the seeds, as a reader reads them: rms ratios,
    fractions. `effect` is the difference as text (``+10%``, ``x0.31``, ``0.1 to 0.4``), `interval`
    its range over the seeds (its confidence interval where seeds are not paired), both in % of the
    rms, or in points of a share.
    """

    quantity: str
    layer: str
    before: float
    after: float
    effect: str
    interval: str
    per_layer: bool = False

    @property
    def label(self) -> str:
        """The figure's name for a reader: ``delta``, ``delta slope``."""
        return f"{self.quantity} slope" if self.per_layer else self.quantity


@dataclass(frozen=True)
class DepthCurve:
    """A figure over depth on one side of a comparison: its typical value over `seeds` seeds (the
    geometric mean) and the smallest and largest of them, as rms; NaN where there is none."""

    typical: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int


@dataclass(frozen=True)
class DepthCurves:
    """A figure over depth in the baseline and now, over the layers of the network as it is now.

    `quantity` is ``signal`` (rms of z) or ``delta`` (rms of delta over the output layer's);
    `trained` tells the second half of the training from the network as initialised.
    """

    quantity: str
    trained: bool
    layers: tuple[str, ...]
    before: DepthCurve
    after: DepthCurve


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    `subject` is the detector's name for ``detector`` (and `code` its code), the key for
    ``budget``, and empty for every other kind, of which a config has one check at most. `sentence`
    is the answer with its figures, for a person; `evidence` what it rests on (seeds, steps,
    samples, tolerance); `differences` the layers that differ, the first one in the direction of the
    flow first; `remedies` what to do, the best first. `caused_by` is the code of the finding that
    this one follows from, empty for a root.
    """

    kind: CheckKind
    status: Status
    sentence: str
    evidence: str = ""
    layers: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    subject: str = ""
    code: str = ""
    caused_by: str = ""

    @property
    def name(self) -> str:
        """A stable name, for a test case: ``training``, ``expect.min_accuracy``, ``GS101 ...``."""
        if self.kind is CheckKind.DETECTOR:
            return f"{self.code} {self.subject}"
        return f"expect.{self.subject}" if self.kind is CheckKind.BUDGET else str(self.kind)


@dataclass(frozen=True)
class Checked:
    """One config, checked.

    `source` is the path of the config file and `overrides` are the settings as the user typed them,
    `name` is the experiment's. Without `has_config_file` a mapping or a model was checked in Python
    and `source` is its name.
    `exit_code` is the code of this config alone; `headline` the one sentence to read. `changes`
    lists what differs between the baseline's config or environment and this one. `baseline` is the
    path of the file that was compared with, empty without one. `folder` holds the full report.
    `record` and `diagnosis` are those of the config's own seed, None when it could not be measured:
    then `headline` says why, `remedy` what the error advises, and there are no checks. `remedies`
    say what to do about the checks. `curves` are both sides over depth, () without a baseline.
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
    curves: tuple[DepthCurves, ...] = ()
    overrides: tuple[str, ...] = ()
    record: RunRecord | None = None
    diagnosis: Diagnosis | None = None
    seconds: float = 0.0
    has_config_file: bool = True

    def __repr__(self) -> str:
        failed = f"{len(self.failed)} of {len(self.checks)} checks failed"
        return f"<Checked {self.name}: {self.outcome}, {failed}>"

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status is Status.FAILED)

    @property
    def outcome(self) -> str:
        """``passed``, ``failed``, ``inconclusive`` or ``not measured``: the exit code as text."""
        outcomes = {0: "passed", 1: "failed", 4: "inconclusive"}
        return outcomes.get(self.exit_code, "not measured")
