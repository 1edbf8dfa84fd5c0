"""Verdicts, budgets and theory as checks, and the exit code they come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from gradscope import api
from gradscope.errors import BadRequest
from gradscope.gate import judge
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Check, Checked, Status
from gradscope.gate.checks import expectations, theory_check, verdicts
from gradscope.record import Action, Diagnosis, DiagnosisState, Remedy, Verdict, VerdictStatus
from gradscope.theory.prediction import Band, Prediction
from tests.analyzer.synthetic import record
from tests.gate.seed_statistics import accepted, bank, shifted

HEALTHY = Diagnosis(
    DiagnosisState.HEALTHY, "gradients flow", (), (Verdict("GS101", "v", VerdictStatus.HEALTHY),)
)
SICK = api.analyze(record(12, delta=[10.0**-k for k in range(12, 0, -1)])).diagnosis


def test_a_new_error_fails_with_the_finding_of_the_own_seed() -> None:
    assert SICK.verdict == "unhealthy"
    found = verdicts.checks(bank(range(3), trained=3, verdicts=(accepted("GS101", 2),)), SICK, None)
    assert [(check.name, check.status) for check in found] == [
        ("GS101 vanishing_gradient", "failed")
    ]
    assert found[0].layers
    assert found[0].evidence.startswith("in 2 of 3 seeds; observed")


@pytest.mark.parametrize(
    ("now", "before", "status", "said"),
    [
        (1, None, "passed", "in 1 of 3 seeds only"),
        (2, None, "failed", "The gradient vanishes."),
        (3, 1, "passed", "is accepted by the baseline"),
        (3, 0, "failed", "The gradient vanishes."),
        (0, 3, "passed", "no detector found an error"),
    ],
)
def test_which_errors_count(now: int, before: int | None, status: str, said: str) -> None:
    errors = tuple(accepted("GS101", n) for n in (now,) if n)
    known = tuple(accepted("GS101", n) for n in (before,) if n)
    base = None if before is None else bank(range(3), trained=3, verdicts=known)
    found = verdicts.checks(bank(range(3), trained=3, verdicts=errors), HEALTHY, base)
    assert found[0].status == status
    assert said in found[0].sentence
    assert len(found) == 1


def test_a_verdict_that_could_not_be_drawn_is_not_healthy() -> None:
    unknown = Diagnosis(DiagnosisState.INCONCLUSIVE, "nothing was measured")
    assert verdicts.checks(bank([1]), unknown, None)[0].status == Status.INCONCLUSIVE


@pytest.mark.parametrize("compared", [True, False])
def test_a_run_too_short_to_judge_is_compared_all_the_same(compared: bool) -> None:
    """With a baseline of as many steps the figures are compared; without one nothing is told."""
    short = replace(HEALTHY, verdict=DiagnosisState.INCONCLUSIVE, unanswered=("GS602",))
    base = bank(range(3), trained=3) if compared else None
    [check] = verdicts.checks(bank(range(3), trained=3), short, base)
    assert check.status == (Status.PASSED if compared else Status.INCONCLUSIVE)
    assert ("GS602 could not judge this run" in check.sentence) == compared


def test_a_check_that_crashed_is_never_passed() -> None:
    crashed = Diagnosis(DiagnosisState.INCONCLUSIVE, "Some checks crashed.", (), HEALTHY.verdicts)
    [check] = verdicts.checks(bank([1]), crashed, bank([2]))
    assert check.status == Status.INCONCLUSIVE


def budget(made: SeedStatistics, **expect: Any) -> Check:
    [found] = expectations.checks(expect, made, HEALTHY)
    return found


def test_budgets() -> None:
    made = bank(range(4), trained=3)
    for quantity in ("signal", "delta"):
        for series in (made.initial, made.trained):
            series[quantity][:] = 0.0
    made.trained["delta"][:, 1] = 2 * np.log(1e-2)
    assert budget(made, delta_ratio=(1e-3, 1e3)).status == "passed"
    failed = budget(made, delta_ratio=(0.02, 1e3))
    assert (failed.status, failed.name) == ("failed", "expect.delta_ratio")
    assert failed.sentence == "1 at initialisation, 0.01 in training; allowed 0.02 to 1000"
    assert failed.layers == ("hidden_1", "hidden_4")
    assert failed.evidence == "rms of delta, hidden_1 over hidden_4, 4 seeds, 3 of them trained"
    assert budget(made, signal_ratio=(0.9, 1.1)).status == "passed"

    made.initial["dead_fraction"][:] = 0.0
    made.trained["dead_fraction"][:] = 0.0
    made.trained["dead_fraction"][:, 3] = 0.5
    dead = budget(made, max_dead_fraction=0.4)
    assert (dead.status, dead.layers) == ("failed", ("hidden_3",))
    assert dead.sentence == "0.5 in hidden_3 in training; allowed at most 0.4"
    assert dead.evidence == "dead units, mean of 3 seeds"
    assert budget(made, max_dead_fraction=0.5).status == "passed"

    gain = {**made.initial, "derivative_gain": np.full((4, 6), 0.3)}
    assert budget(replace(made, initial=gain), min_derivative_gain=0.31).status == "failed"

    scored = replace(made, accuracy=np.array([0.7, 0.9, 0.8, 0.8]))
    assert budget(scored, min_accuracy=0.8).status == "passed"
    assert budget(scored, min_accuracy=0.81).status == "failed"
    assert budget(made, max_loss=0.5).status == "failed"


def test_budgets_that_cannot_be_told() -> None:
    made = bank(range(3))
    made.initial["dead_fraction"][:] = np.nan
    assert budget(made, max_dead_fraction=0.4).status == "inconclusive"
    assert budget(made, min_accuracy=0.4).status == "skipped"
    blind = replace(bank(range(3), trained=3), accuracy=np.full(3, np.nan))
    assert budget(blind, min_accuracy=0.4).status == "inconclusive"
    assert budget(bank(range(3), depth=1), delta_ratio=(0.1, 10)).status == "inconclusive"


@pytest.mark.parametrize(
    ("verdict", "expected", "status"),
    [
        ("healthy", "healthy", "passed"),
        ("warning", "healthy", "failed"),
        ("healthy", "warning", "passed"),
        ("warning", "warning", "passed"),
        ("unhealthy", "warning", "failed"),
        ("warning", "unhealthy", "failed"),
        ("unhealthy", "healthy", "failed"),
        ("unhealthy", "unhealthy", "passed"),
        ("inconclusive", "unhealthy", "inconclusive"),
    ],
)
def test_the_expected_verdict(verdict: str, expected: str, status: str) -> None:
    diagnosis = replace(HEALTHY, verdict=DiagnosisState(verdict))
    [found] = expectations.checks({"verdict": expected}, bank([1]), diagnosis)
    assert found.status == status


def prediction(deviation: float) -> Prediction:
    names = ("hidden_1", "hidden_2", "hidden_3", "hidden_4", "output")
    ones, wide = np.ones(5), np.full(5, deviation)
    return Prediction(
        names, ones, ones, ones, ones, ones,
        preactivation_band=Band(np.zeros(5), wide),
        delta_band=Band(np.zeros(5), np.where(np.arange(5) < 3, deviation, np.nan)),
    )  # fmt: skip


def test_theory_decides_without_a_baseline() -> None:
    made = bank(range(8), kappa=1e-9)
    flat = shifted(shifted(made, "signal", 0.0), "delta", 0.0)
    assert theory_check.check(flat, prediction(0.1)).status == "passed"
    off = theory_check.check(shifted(flat, "signal", 1.0, ["hidden_3"]), prediction(0.1))
    assert (off.status, off.layers) == ("failed", ("hidden_3",))
    assert "hidden_3 is the first layer that is not what theory says" in off.sentence
    assert off.differences[0].effect == "+65%"
    back = theory_check.check(
        shifted(flat, "delta", -1.0, ["hidden_1", "hidden_2"]), prediction(0.1)
    )
    assert back.layers == ("hidden_2", "hidden_1")
    wide = theory_check.check(shifted(flat, "signal", 1.0, ["hidden_3"]), prediction(2.0))
    assert wide.status == "passed", "eight seeds of a wide band do not tell"
    outside = replace(prediction(0.1), outside="a layer that theory does not know")
    assert theory_check.check(flat, outside).status == "skipped"
    assert theory_check.check(flat, None).status == "skipped"


@pytest.mark.parametrize(("beyond", "status"), [(1.1, "passed"), (1.2, "failed")])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_band_of_draws_may_be_left_by_15_percent_of_half_of_it(
    beyond: float, sign: float, status: str
) -> None:
    """A layer of one seed; half the band is t sd sqrt(1 + 1 / draws), for each of 8 figures."""
    flat, deviation, draws = bank([0], kappa=1e-9), 1.0, 32
    drawn = prediction(deviation)
    for name in ("preactivation_band", "delta_band"):
        drawn = replace(drawn, **{name: replace(getattr(drawn, name), draws=draws)})
    tail = 0.5 * theory_check.BUDGET / 8
    half = -t.ppf(tail, draws - 1) * deviation * np.sqrt(1.0 + 1.0 / draws)
    off = shifted(flat, "signal", sign * beyond * half, ["hidden_3"])
    assert theory_check.check(off, drawn).status == status


def judged(made: SeedStatistics, baseline: SeedStatistics | None = None, **more: Any) -> Checked:
    return judge.judge(made, record(), HEALTHY, source="net.yaml", baseline=baseline, **more)


def test_exit_codes() -> None:
    made = bank(range(4), trained=4)
    assert judged(made, made).exit_code == 0
    assert judged(made, made).headline == "4 checks passed, against its baseline"
    worse = judged(shifted(made, "signal", 1.0), made)
    assert (worse.exit_code, worse.outcome) == (1, "failed")
    assert worse.headline.startswith("initialisation: hidden_1 is the first layer that differs")
    assert worse.remedies == (Remedy(Action.UPDATE_BASELINE),)
    start = bank(range(4))
    changed = judged(shifted(start, "signal", 1.0), start)
    assert changed.remedies == (Remedy(Action.UPDATE_BASELINE, trained_seeds=0),)
    other = bank(range(100, 104), trained=4)
    assert (judged(other, made).exit_code, judged(other, made).outcome) == (4, "inconclusive")
    strange = replace(made, fingerprint={**made.fingerprint, "keras": "3.14.0"})
    assert judged(strange, made).exit_code == 0
    strict = judged(strange, made, strict_environment=True)
    assert strict.exit_code == 4
    assert "not the baseline's environment: Keras: 3.15.0 -> 3.14.0" in strict.headline
    with pytest.raises(BadRequest):
        judged(replace(made, name="other"), made)


def test_an_error_is_a_result_among_others() -> None:
    told = judge.not_measured("net", "net.yaml", BadRequest("no such file", "check the path"))
    assert (told.exit_code, told.outcome, told.headline) == (2, "not measured", "no such file")
