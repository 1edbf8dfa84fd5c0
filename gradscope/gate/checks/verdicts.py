"""The detectors' verdicts as checks: new errors fail, accepted ones are listed."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.gate.baselines.seed_statistics import ErrorCount, SeedStatistics
from gradscope.gate.check import Check, CheckKind, Status
from gradscope.message_text import counted
from gradscope.record import Diagnosis, DiagnosisState, Finding, Severity, VerdictStatus


def checks(
    statistics: SeedStatistics, diagnosis: Diagnosis, baseline: SeedStatistics | None
) -> tuple[Check, ...]:
    """One check for every error that is new; where none is, one check of all verdicts.

    `statistics` and `baseline` hold the errors of every trained seed; `diagnosis` is that of the
    config's own seed. An error counts if more than half of the seeds have it, since a few networks
    fail by chance. It is accepted if the baseline had it in any seed.
    """
    accepted = {verdict.code for verdict in baseline.verdicts} if baseline else set()
    seeds = max(1, statistics.trained_seeds)
    common = [verdict for verdict in statistics.verdicts if 2 * verdict.seeds > seeds]
    new = [verdict for verdict in common if verdict.code not in accepted]
    if new:
        return tuple(_error(verdict, diagnosis, seeds) for verdict in new)
    return (_summary(statistics, diagnosis, common, compared=baseline is not None),)


def _summary(
    statistics: SeedStatistics,
    diagnosis: Diagnosis,
    accepted: Sequence[ErrorCount],
    *,
    compared: bool,
) -> Check:
    """Summarize all detectors, where no error is new.

    Where the run is `compared` with a baseline of as many steps, a detector that needs more steps
    leaves no question open: the figures are compared.
    """
    seeds = max(1, statistics.trained_seeds)
    by_status = dict.fromkeys(VerdictStatus, 0)
    for verdict in diagnosis.verdicts:
        by_status[verdict.status] += 1
    words = {status: str(status) for status in VerdictStatus}
    words[VerdictStatus.FINDING] = "with a finding"
    counts = ", ".join(f"{number} {words[each]}" for each, number in by_status.items() if number)
    evidence = f"{_seeds(statistics)}; detectors of the config's own seed: {counts or 'none ran'}"
    rare = [verdict for verdict in statistics.verdicts if 2 * verdict.seeds <= seeds]
    notes = [f"{v.code} {v.name} is accepted by the baseline" for v in accepted]
    notes += [f"{v.code} {v.name} in {v.seeds} of {seeds} seeds only" for v in rare]
    unjudged = compared and bool(diagnosis.unanswered)
    if unjudged:
        notes.append(f"{', '.join(diagnosis.unanswered)} could not judge this run")
    inconclusive = diagnosis.verdict is DiagnosisState.INCONCLUSIVE and not unjudged
    if not diagnosis.verdicts or inconclusive:
        sentence, status = diagnosis.headline, Status.INCONCLUSIVE
    else:
        sentence, status = "no detector found a new error", Status.PASSED
        if not accepted and not rare:
            sentence = "no detector found an error"
    return Check(CheckKind.VERDICTS, status, "; ".join([sentence, *notes]), evidence)


def _seeds(statistics: SeedStatistics) -> str:
    if not statistics.trained_seeds:
        return "at initialisation, one seed"
    return f"{counted(statistics.trained_seeds, 'seed')}, {statistics.steps} steps"


def _error(verdict: ErrorCount, diagnosis: Diagnosis, seeds: int) -> Check:
    """Build the check of one new error, with the finding of the config's seed where it has it."""
    finding = _finding(verdict.code, diagnosis)
    evidence = f"in {verdict.seeds} of {seeds} seeds"
    if finding is None:
        return Check(
            CheckKind.DETECTOR,
            Status.FAILED,
            verdict.message,
            evidence,
            subject=verdict.name,
            code=verdict.code,
        )
    return Check(
        CheckKind.DETECTOR,
        Status.FAILED,
        finding.message,
        f"{evidence}; observed {finding.observed:.3g}, threshold {finding.threshold:.3g}",
        layers=finding.layers,
        remedies=finding.remedies,
        caused_by=finding.caused_by,
        subject=verdict.name,
        code=verdict.code,
    )


def _finding(code: str, diagnosis: Diagnosis) -> Finding | None:
    for verdict in diagnosis.verdicts:
        if verdict.code == code:
            return next((f for f in verdict.findings if f.severity is Severity.ERROR), None)
    return None
