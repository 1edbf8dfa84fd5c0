"""What the detectors found, as checks: new errors fail, accepted ones are listed."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.gate import words
from gradscope.gate.baselines.seed_statistics import Accepted, SeedStatistics
from gradscope.gate.check import Check, Status
from gradscope.record import Diagnosis, DiagnosisState, Finding, Severity, VerdictStatus


def checks(
    bank: SeedStatistics, diagnosis: Diagnosis, baseline: SeedStatistics | None
) -> tuple[Check, ...]:
    """One check for every error that is new; where none is, one check of all verdicts.

    `bank` and `baseline` hold the errors of every trained seed; `diagnosis` is that of the config's
    own seed. An error counts that more than half of the seeds have: some networks die by luck. It
    is accepted where the baseline had it in any seed.
    """
    known = {verdict.code for verdict in baseline.verdicts} if baseline else set()
    seeds = max(1, bank.trained_seeds)
    common = [verdict for verdict in bank.verdicts if 2 * verdict.seeds > seeds]
    new = [verdict for verdict in common if verdict.code not in known]
    if new:
        return tuple(_error(verdict, diagnosis, seeds) for verdict in new)
    return (_summary(bank, diagnosis, common),)


def _summary(bank: SeedStatistics, diagnosis: Diagnosis, accepted: Sequence[Accepted]) -> Check:
    """What all detectors said, where nothing is new."""
    seeds = max(1, bank.trained_seeds)
    counted = dict.fromkeys(VerdictStatus, 0)
    for verdict in diagnosis.verdicts:
        counted[verdict.status] += 1
    told = ", ".join(f"{number} {status}" for status, number in counted.items() if number)
    evidence = f"{_seeds(bank)}; detectors of the config's own seed: {told or 'none ran'}"
    rare = [verdict for verdict in bank.verdicts if 2 * verdict.seeds <= seeds]
    notes = [f"{v.code} {v.name} is accepted by the baseline" for v in accepted]
    notes += [f"{v.code} {v.name} in {v.seeds} of {seeds} seeds only" for v in rare]
    if not diagnosis.verdicts or diagnosis.verdict is DiagnosisState.INCONCLUSIVE:
        sentence, status = diagnosis.headline, Status.INCONCLUSIVE
    else:
        sentence, status = "no detector found a new error", Status.PASSED
        if not accepted and not rare:
            sentence = "no detector found an error"
    return Check("verdicts", status, "; ".join([sentence, *notes]), evidence)


def _seeds(bank: SeedStatistics) -> str:
    if not bank.trained_seeds:
        return "at initialisation, one seed"
    return f"{words.counted(bank.trained_seeds, 'seed')}, {bank.steps} steps"


def _error(verdict: Accepted, diagnosis: Diagnosis, seeds: int) -> Check:
    """An error of its own, with the finding of the config's own seed where it has it."""
    finding = _finding(verdict.code, diagnosis)
    evidence = f"in {verdict.seeds} of {seeds} seeds"
    if finding is None:
        return Check(_name(verdict), Status.FAILED, verdict.message, evidence)
    return Check(
        _name(verdict),
        Status.FAILED,
        finding.message,
        f"{evidence}; observed {finding.observed:.3g}, threshold {finding.threshold:.3g}",
        layers=finding.layers,
        remedies=finding.remedies,
        caused_by=finding.caused_by,
    )


def _name(verdict: Accepted) -> str:
    return f"{verdict.code} {verdict.name}"


def _finding(code: str, diagnosis: Diagnosis) -> Finding | None:
    for verdict in diagnosis.verdicts:
        if verdict.code == code:
            return next((f for f in verdict.findings if f.severity is Severity.ERROR), None)
    return None
