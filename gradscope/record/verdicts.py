"""What a detector says, with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gradscope.record.remedies import Remedy


class Severity(StrEnum):
    """How grave a finding is, the gravest first. Only an error makes a network unhealthy."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Severity).index(self)


class VerdictStatus(StrEnum):
    """The outcome of one detector."""

    HEALTHY = "healthy"
    FINDING = "finding"
    SKIPPED = "skipped"
    IGNORED = "ignored"
    CRASHED = "crashed"

    @property
    def judged(self) -> bool:
        """Whether the detector gave an answer."""
        return self in (VerdictStatus.HEALTHY, VerdictStatus.FINDING)


class DiagnosisState(StrEnum):
    """The conclusion from all verdicts on a network.

    A network is healthy only where the checks that matter ran and found nothing. Inconclusive is no
    state of the network: too little was measured or judged for an answer.
    """

    HEALTHY = "healthy"
    WARNING = "warning"
    UNHEALTHY = "unhealthy"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Evidence:
    """What a finding rests on.

    `n` is how many numbers each figure is computed from (samples x units, or units), `interval` a
    range for the observed figure where one can be given, `interval_meaning` what it is.
    """

    n: int
    batch_size: int
    phase: str
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    interval: tuple[float, float] | None = None
    interval_meaning: str = ""


@dataclass(frozen=True)
class Finding:
    """One departure: where (layer names in depth order), when (first and last step), how far.

    `message` says what is wrong in one sentence of at most two numbers, `details` the rest of it.
    `observed` beside `threshold` says how far beyond it is; `cause` names the likely reason in one
    sentence in the config's terms, `cause_details` what it rests on. `remedies` are what to change:
    alternatives, the best first. `caused_by` is the code of the detector whose finding this one
    follows from, "" for a root.
    """

    severity: Severity
    layers: tuple[str, ...]
    since_step: int
    until_step: int
    observed: float
    threshold: float
    message: str
    evidence: Evidence
    details: str = ""
    cause: str = ""
    cause_details: str = ""
    remedies: tuple[Remedy, ...] = ()
    caused_by: str = ""


@dataclass(frozen=True)
class Verdict:
    """A detector's answer; `reason` says why one was skipped, ignored or crashed.

    `traceback` is that of a crash, for a bug report.
    """

    code: str
    name: str
    status: VerdictStatus
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    traceback: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Diagnosis:
    """All verdicts on one record, and the conclusion from them.

    `verdicts` lead with the root: findings first, by severity, then by the step at which they
    began. `headline` is the sentence a person can act on; `remedies` what to try for the root.
    `unanswered` are the codes of the checks that matter for this network and could not judge it.
    `remedy` is `remedies` in words, which `gradscope.analyze` fills in.
    """

    verdict: DiagnosisState
    headline: str
    remedies: tuple[Remedy, ...] = ()
    verdicts: tuple[Verdict, ...] = field(default_factory=tuple)
    unanswered: tuple[str, ...] = ()
    remedy: str = ""

    def __repr__(self) -> str:
        codes = f" {' '.join(self.codes)}" if self.codes else ""
        return f"<Diagnosis {self.verdict}{codes}: {len(self.verdicts)} checks>"

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the verdicts that found an error or a warning, the leading one first."""
        graves = (Severity.ERROR, Severity.WARNING)
        return tuple(v.code for v in self.verdicts if any(f.severity in graves for f in v.findings))

    def with_severity(self, severity: Severity) -> tuple[Verdict, ...]:
        """Verdicts that hold a finding of this severity."""
        return tuple(v for v in self.verdicts if any(f.severity == severity for f in v.findings))
