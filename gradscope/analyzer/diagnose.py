"""From a record to a diagnosis: run the detectors, order causes first, conclude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradscope.analyzer.conclusion import conclude, leading
from gradscope.analyzer.contradictions import without_contradictions
from gradscope.analyzer.detectors import DETECTORS, Detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Diagnosis, Finding, RunRecord, Severity, Verdict, VerdictStatus
from gradscope.record.fault import Fault


def diagnose(
    record: RunRecord,
    *,
    select: tuple[str, ...] | None = None,
    ignore: Mapping[str, str] | None = None,
    thresholds: Mapping[str, Mapping[str, float]] | None = None,
) -> Diagnosis:
    """Judge a record with every detector (or those in `select`, by name or code).

    `ignore` maps names or codes to the reason for ignoring them; an ignored detector is listed, and
    cannot make the verdict unhealthy. `thresholds` maps detector names to their parameters. A
    detector that crashes is listed as crashed and stops no other. `conclusion.conclude` says what
    all verdicts together mean.
    """
    ignored = ignore or {}
    verdicts = []
    for chosen in DETECTORS.values():
        if select is not None and chosen.name not in select and chosen.code not in select:
            continue
        reason = ignored.get(chosen.name, ignored.get(chosen.code))
        if reason is not None:
            verdicts.append(Verdict(chosen.code, chosen.name, VerdictStatus.IGNORED, reason=reason))
            continue
        verdicts.append(_judge(chosen, record, (thresholds or {}).get(chosen.name, {})))
    related = _related(sorted(verdicts, key=_order))
    yielded = [_yielding(verdict, related) for verdict in verdicts]
    return conclude(record, without_contradictions(_related(sorted(yielded, key=_order))))


def _judge(chosen: Detector, record: RunRecord, thresholds: Mapping[str, float]) -> Verdict:
    try:
        findings = chosen(record, **thresholds)
    except NotMeasured as reason:
        return Verdict(chosen.code, chosen.name, VerdictStatus.SKIPPED, reason=str(reason))
    except Exception as error:  # one broken detector must not take the others along
        fault = Fault.from_exception(chosen.name, error)
        return Verdict(
            chosen.code,
            chosen.name,
            VerdictStatus.CRASHED,
            reason=f"{type(error).__name__}: {error}",
            traceback=fault.traceback,
        )
    status = VerdictStatus.FINDING if findings else VerdictStatus.HEALTHY
    return Verdict(chosen.code, chosen.name, status, findings)


def _yielding(verdict: Verdict, related: Sequence[Verdict]) -> Verdict:
    """The verdict, its errors as warnings where its detector yields to another root's error."""
    if not DETECTORS[verdict.name].beside_no_error:
        return verdict
    others = [
        other
        for other in related
        if other.name != verdict.name
        and any(f.severity is Severity.ERROR and not f.caused_by for f in other.findings)
    ]
    if not others:
        return verdict
    findings = tuple(
        replace(f, severity=Severity.WARNING) if f.severity is Severity.ERROR else f
        for f in verdict.findings
    )
    return replace(verdict, findings=findings)


def _order(verdict: Verdict) -> tuple[int, int, int]:
    """Findings first, by severity; what was there at initialisation, then what training did.

    Within those, causes before consequences (the detectors' ranks), not by the step: what training
    broke shows in every figure within a step or two.
    """
    rank = DETECTORS[verdict.name].rank
    if not verdict.findings:
        return (len(Severity), 0, rank)
    lead = leading(verdict)
    return (lead.severity.rank, int(lead.since_step > 0), rank)


def _related(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """The verdicts in their order, each consequence with the code of its cause.

    A consequence has no remedies: it goes with its cause. One that only explains the cause is no
    second error. Two of one severity that are cause and consequence never stand side by side: the
    one that leads is the cause, as where a signal exploded in training before it was NaN.
    """
    related: list[Verdict] = []
    for verdict in verdicts:
        chosen = DETECTORS[verdict.name]
        root = next((v for v in related if v.findings and _goes_with(verdict, v)), None)
        if root is None:
            related.append(verdict)
            continue
        findings = tuple(_consequence(f, chosen, root) for f in verdict.findings)
        related.append(replace(verdict, findings=findings))
    return tuple(related)


def _goes_with(verdict: Verdict, earlier: Verdict) -> bool:
    """Whether a verdict goes with one that stands before it."""
    chosen, other = DETECTORS[verdict.name], DETECTORS[earlier.name]
    named = chosen.name in other.follows or other.name in chosen.causes
    as_grave = bool(verdict.findings) and (
        leading(verdict).severity is leading(earlier).severity is Severity.ERROR
    )
    later = bool(verdict.findings) and leading(verdict).since_step > 0
    then = later and chosen.name in other.then_causes
    return chosen.follows_from(other) or then or (named and as_grave)


def _consequence(finding: Finding, detector: Detector, root: Verdict) -> Finding:
    severity = Severity.INFO if detector.explains else finding.severity
    return replace(finding, caused_by=root.code, remedies=(), severity=severity)
