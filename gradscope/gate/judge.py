"""Run all checks of one config and decide their exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradscope import exit_codes
from gradscope.errors import ExitCode, GradscopeError
from gradscope.gate.baselines import fingerprint
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Check, Checked, CheckKind, Status
from gradscope.gate.checks import expectations, theory_check, verdicts
from gradscope.gate.comparing import comparison
from gradscope.gate.comparing.depth_curves import depth_curves
from gradscope.message_text import counted
from gradscope.record import Action, Diagnosis, Remedy, RunRecord
from gradscope.theory.prediction import Prediction


def judge(
    statistics: SeedStatistics,
    record: RunRecord,
    diagnosis: Diagnosis,
    *,
    source: str,
    prediction: Prediction | None = None,
    baseline: SeedStatistics | None = None,
    expect: Mapping[str, Any] | None = None,
    strict_environment: bool = False,
) -> Checked:
    """Check the seeds of a config; `record` and `diagnosis` are those of the config's own seed.

    With a baseline the two are compared; without one theory says what the network should be.
    `strict_environment` makes a baseline of another environment inconclusive. Raises
    `BadRequest` for a baseline of another experiment or of other data.
    """
    budgets = expect or {}
    checks: list[Check] = []
    changes: tuple[str, ...] = ()
    if baseline is not None:
        compared = comparison.compare(baseline, statistics)
        checks += compared.checks
        changes = compared.changes
        if strict_environment:
            checks.append(_environment(statistics, baseline))
    else:
        checks.append(theory_check.check(statistics, prediction))
    if budgets.get("verdict") is None:
        checks += verdicts.checks(statistics, diagnosis, baseline)
    checks += expectations.checks(budgets, statistics, diagnosis)
    code = exit_codes.for_checks(check.status for check in checks)
    return Checked(
        name=statistics.name,
        source=source,
        exit_code=int(code),
        headline=_headline(checks, code, baseline),
        checks=tuple(checks),
        changes=changes,
        evidence=_evidence(statistics, record),
        remedies=_remedies(checks),
        curves=depth_curves(baseline, statistics) if baseline is not None else (),
        record=record,
        diagnosis=diagnosis,
    )


def _environment(statistics: SeedStatistics, baseline: SeedStatistics) -> Check:
    """Check that both have one fingerprint, where the user requires it."""
    differences = fingerprint.differences(baseline.fingerprint, statistics.fingerprint)
    if not differences:
        return Check(CheckKind.ENVIRONMENT, Status.PASSED, "the baseline's environment")
    return Check(
        CheckKind.ENVIRONMENT,
        Status.INCONCLUSIVE,
        f"not the baseline's environment: {', '.join(differences)}",
        remedies=(Remedy(Action.MEASURE_HERE), Remedy(Action.ALLOW_OTHER_ENVIRONMENT)),
    )


def not_measured(name: str, source: str, error: GradscopeError) -> Checked:
    """A config that could not be checked, and why."""
    return Checked(
        name, source, int(error.exit_code), error.message, remedy=error.remedy, record=error.partial
    )


def _headline(checks: Sequence[Check], code: ExitCode, baseline: SeedStatistics | None) -> str:
    if code == ExitCode.HEALTHY:
        passed = sum(check.status is Status.PASSED for check in checks)
        against = "against its baseline" if baseline is not None else "without a baseline"
        return f"{counted(passed, 'check')} passed, {against}"
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


def _evidence(statistics: SeedStatistics, record: RunRecord) -> str:
    seeds = f"{counted(len(statistics.seeds), 'seed')} at initialisation"
    trained = (
        f"{statistics.trained_seeds} trained for {statistics.steps} steps"
        if statistics.trained_seeds
        else ""
    )
    batch = f"batch {record.batch_size}, probe set {record.probe_samples}"
    return ", ".join(part for part in (seeds, trained, batch) if part)
