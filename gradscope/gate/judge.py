"""All checks of one config, and the exit code they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradscope.errors import ExitCode, GradscopeError
from gradscope.gate import words
from gradscope.gate.baselines import fingerprint
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Check, Checked, Status
from gradscope.gate.checks import expectations, theory_check, verdicts
from gradscope.gate.comparing import comparison
from gradscope.record import Action, Diagnosis, Remedy, RunRecord
from gradscope.theory.prediction import Prediction


def judge(
    bank: SeedStatistics,
    record: RunRecord,
    diagnosis: Diagnosis,
    *,
    source: str,
    prediction: Prediction | None = None,
    baseline: SeedStatistics | None = None,
    expect: Mapping[str, Any] | None = None,
    strict_environment: bool = False,
) -> Checked:
    """Check a bank; `record` and `diagnosis` are those of the config's own seed.

    With a baseline the two are compared; without one theory says what the network should be.
    `strict_environment` makes a baseline of another environment inconclusive. Raises
    `BadRequest` for a baseline of another experiment or of other data.
    """
    asked = expect or {}
    found: list[Check] = []
    changes: tuple[str, ...] = ()
    if baseline is not None:
        compared = comparison.compare(baseline, bank)
        found += compared.checks
        changes = compared.changes
        if strict_environment:
            found.append(_environment(bank, baseline))
    else:
        found.append(theory_check.check(bank, prediction))
    if asked.get("verdict") is None:
        found += verdicts.checks(bank, diagnosis, baseline)
    found += expectations.checks(asked, bank, diagnosis)
    code = exit_code(found)
    return Checked(
        name=bank.name,
        source=source,
        exit_code=int(code),
        headline=_headline(found, code, baseline),
        checks=tuple(found),
        changes=changes,
        evidence=_evidence(bank, record),
        remedies=_remedies(found),
        record=record,
        diagnosis=diagnosis,
    )


def _environment(bank: SeedStatistics, baseline: SeedStatistics) -> Check:
    """Whether both were measured under one fingerprint, where the user insists on it."""
    apart = fingerprint.differences(baseline.fingerprint, bank.fingerprint)
    if not apart:
        return Check("environment", Status.PASSED, "the baseline's environment")
    return Check(
        "environment",
        Status.INCONCLUSIVE,
        f"not the baseline's environment: {', '.join(apart)}",
        remedies=(Remedy(Action.MEASURE_HERE), Remedy(Action.ALLOW_OTHER_ENVIRONMENT)),
    )


def not_measured(name: str, source: str, error: GradscopeError) -> Checked:
    """A config that could not be checked, and why."""
    return Checked(
        name, source, int(error.exit_code), error.message, remedy=error.remedy, record=error.partial
    )


def exit_code(checks: Sequence[Check]) -> ExitCode:
    """1 where a check failed, 4 where one could not tell or none was made, 0 otherwise."""
    statuses = [check.status for check in checks]
    if Status.FAILED in statuses:
        return ExitCode.UNHEALTHY
    if Status.INCONCLUSIVE in statuses or Status.PASSED not in statuses:
        return ExitCode.INCONCLUSIVE
    return ExitCode.HEALTHY


def _headline(checks: Sequence[Check], code: ExitCode, baseline: SeedStatistics | None) -> str:
    if code == ExitCode.HEALTHY:
        passed = sum(check.status is Status.PASSED for check in checks)
        against = "against its baseline" if baseline is not None else "without a baseline"
        return f"{words.counted(passed, 'check')} passed, {against}"
    wanted = Status.FAILED if code == ExitCode.UNHEALTHY else Status.INCONCLUSIVE
    for check in checks:
        if check.status is wanted:
            return f"{check.name}: {check.sentence}"
    return "nothing was checked"


def _remedies(checks: Sequence[Check]) -> tuple[Remedy, ...]:
    for status in (Status.FAILED, Status.INCONCLUSIVE):
        for check in checks:
            if check.status is status and check.remedies:
                return check.remedies
    return ()


def _evidence(bank: SeedStatistics, record: RunRecord) -> str:
    seeds = f"{words.counted(len(bank.seeds), 'seed')} at initialisation"
    trained = f"{bank.trained_seeds} trained for {bank.steps} steps" if bank.trained_seeds else ""
    batch = f"batch {record.batch_size}, probe set {record.probe_samples}"
    return ", ".join(part for part in (seeds, trained, batch) if part)
