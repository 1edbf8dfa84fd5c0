"""What a detector says, with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Evidence:
    """What a finding rests on.

    `n` is how many numbers stand behind each figure (samples x units, or units), `interval` a
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

    `observed` beside `threshold` says how far beyond it is; `cause` names the likely root in the
    config's own words, `remedy` what to change. `since_step` orders findings: what was there first
    is the root, what came later its consequence.
    """

    severity: str
    layers: tuple[str, ...]
    since_step: int
    until_step: int
    observed: float
    threshold: float
    message: str
    evidence: Evidence
    cause: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Verdict:
    """A detector's answer: ``healthy``, ``finding``, ``skipped``, ``ignored`` or ``crashed``.

    `reason` says why for the last three.
    """

    code: str
    name: str
    status: str
    findings: tuple[Finding, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All verdicts on one record; `verdict` is ``healthy``, ``unhealthy`` or ``inconclusive``.

    `verdicts` lead with the root: findings first, by severity, then by the step at which they
    began. `headline` is the sentence a person can act on; `remedy` what to try first.
    """

    verdict: str
    headline: str
    remedy: str
    verdicts: tuple[Verdict, ...] = field(default_factory=tuple)

    def found(self, severity: str) -> tuple[Verdict, ...]:
        """Verdicts that hold a finding of this severity."""
        return tuple(v for v in self.verdicts if any(f.severity == severity for f in v.findings))
