"""Where the gate's rules turn over: exactly half of the seeds, exactly enough seeds, ties."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from gradscope.gate.baselines import figures, seed_statistics
from gradscope.gate.check import Status
from gradscope.gate.checks import expectations, theory_check, verdicts
from gradscope.gate.comparing import comparison, paired, unpaired
from gradscope.gate.comparing.alignment import align
from gradscope.gate.comparing.pairing import OTHER_MACHINE, Pairing, pairing
from gradscope.gate.comparing.seeds_needed import kappa, seeds_needed
from gradscope.record import (
    Diagnosis,
    DiagnosisState,
    Evidence,
    Finding,
    Severity,
    Verdict,
    VerdictStatus,
)
from gradscope.record.run_record import Floats
from tests.analyzer.synthetic import network, record
from tests.gate.seed_statistics import WIDTH, accepted, bank, shifted
from tests.gate.test_judge import HEALTHY, prediction


def _diagnosis(*codes: str) -> Diagnosis:
    basis = Evidence(1, 1, "training", (1,), (0,))
    errors = tuple(
        Verdict(
            code,
            code.lower(),
            VerdictStatus.FINDING,
            (Finding(Severity.ERROR, (), 0, 1, 1.0, 2.0, text, basis),),
        )
        for code, text in zip(codes, ("one", "two"), strict=False)
    )
    state = DiagnosisState.UNHEALTHY if codes else DiagnosisState.HEALTHY
    return Diagnosis(state, "", verdicts=errors)


def test_an_error_counts_the_seeds_that_have_it() -> None:
    run = record()
    diagnoses = [_diagnosis("GS101"), _diagnosis("GS101", "GS202"), _diagnosis()]
    made = seed_statistics.from_records([run, run, run], diagnoses, 3)
    assert [(e.code, e.seeds, e.message) for e in made.verdicts] == [
        ("GS101", 2, "one"),
        ("GS202", 1, "two"),
    ]


@pytest.mark.parametrize(("seeds", "status"), [(2, "passed"), (3, "failed")])
def test_half_of_the_seeds_are_not_most(seeds: int, status: str) -> None:
    made = bank(range(4), trained=4, verdicts=(accepted("GS101", seeds),))
    [check] = verdicts.checks(made, HEALTHY, None)
    assert check.status == status
    assert ("in 2 of 4 seeds only" in check.sentence) is (status == "passed")


def _outcome(old: Floats, new: Floats, steps: int = 0) -> unpaired.Outcome:
    """The test of one figure, a slope over `steps` layers where that is not 0."""
    sample = unpaired.Sample(figures.QUANTITIES["signal"], "", old, new, steps)
    [outcome] = unpaired.compare({}, {}, align((), ()), (), budget=0.01, whole=[sample])
    return outcome


@pytest.mark.parametrize("lost", [np.nan, -np.inf])
def test_figures_that_half_of_the_seeds_lost_are_a_change(lost: float) -> None:
    old = np.array([0.0, 0.1, -0.1, 0.05])
    half, fewer = old.copy(), old.copy()
    half[:2], fewer[:1] = lost, lost
    assert _outcome(old, half).departs
    assert not _outcome(old, fewer).departs


@pytest.mark.parametrize(("share", "departs"), [(0.9, False), (1.1, True)])
def test_what_is_negligible_of_a_slope_is_per_layer(share: float, departs: bool) -> None:
    steps = 5
    old = np.linspace(-1e-6, 1e-6, 8)
    new = old + share * math.log(1.05) / steps
    assert _outcome(old, new, steps).departs is departs


def test_the_tail_of_slopes_is_that_of_the_strictest_test_at_initialisation() -> None:
    made = bank(range(8))
    outcomes = unpaired.compare(
        made.initial, made.initial, align(made.layers, made.layers), made.layers, budget=0.005
    )
    network_figures = [outcome for outcome in outcomes if not outcome.sample.layer]
    assert {outcome.tail for outcome in network_figures} == {0.005 / 2 / len(network_figures)}
    assert unpaired.tail_of_slopes(0.005) == 0.005 / 2 / len(network_figures)


def test_the_law_of_seeds_is_its_formula() -> None:
    layers, tail = network([WIDTH] * 6), 1e-3
    hidden = [layer for layer in layers if layer.role == "hidden"]
    reach = NormalDist().inv_cdf(1 - tail / 2) + NormalDist().inv_cdf(0.99)
    variance = 5 * kappa(hidden[0]) / WIDTH / 5**2
    assert seeds_needed(layers, tail) == math.ceil(2 * reach**2 * variance / math.log(1.1) ** 2) + 3


def test_two_tests_that_chance_decides_share_the_budget() -> None:
    def evidence(trained: int) -> list[str]:
        before, after = bank(range(4), trained=trained), bank(range(100, 104), trained=trained)
        checks = comparison.compare(before, after, budget=0.01).checks
        return [check.evidence.rpartition(", ")[2] for check in checks if "false" in check.evidence]

    assert evidence(trained=0) == ["1.00% false alarms allowed"]
    assert evidence(trained=3) == ["0.50% false alarms allowed"] * 2


def test_twice_the_visible_change_needs_four_times_the_seeds() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.0, 1.0, 5)

    def outcome(scale: float) -> unpaired.Outcome:
        return _outcome(values * scale, values * scale, steps=10)

    promised = max(comparison.PROMISED_PER_LAYER, comparison.PROMISED_OVER_DEPTH / 10)
    twice = outcome(2 * promised / outcome(1.0).visible)
    assert twice.visible == pytest.approx(2 * promised)
    lacking = comparison._seeds_lacking([twice], 5)
    assert lacking in (20, 21), "4 * 5, or one more by rounding up"


def test_exactly_enough_seeds_are_enough() -> None:
    needed = seeds_needed(bank([0]).layers, unpaired.tail_of_slopes(unpaired.BUDGET))
    for seeds, status in ((needed, "passed"), (needed - 1, "inconclusive")):
        before, after = bank(range(seeds)), bank(range(1000, 1000 + seeds))
        check = comparison.compare(before, after).checks[1]
        assert check.status == status, check.sentence


def test_another_machine_may_lose_one_unit_more() -> None:
    before = bank([0])
    alignment = align(before.layers, before.layers)
    pairs = Pairing(True, ((0, 0),), OTHER_MACHINE, "")
    one = shifted(before, "dead_fraction", 1.0 / WIDTH, ["hidden_2"])
    two = shifted(before, "dead_fraction", 2.0 / WIDTH, ["hidden_2"])
    assert not paired.departures(before, one, alignment, pairs)
    assert [d.layer for d in paired.departures(before, two, alignment, pairs)] == ["hidden_2"]


def test_a_kernel_without_draws_of_its_own_says_nothing_of_the_others() -> None:
    before = bank(range(4))
    before.initial["weight"][:, 1] = -4.0
    alignment = align(before.layers, before.layers)
    after = shifted(before, "weight", 0.0)
    after.initial["weight"][:, 1] = [-4.0, -4.1, -3.9, -4.05]
    assert pairing(before, after, alignment).paired


def test_theory_allows_for_an_error_that_grows_with_the_depth() -> None:
    flat = bank(range(8), kappa=1e-12)
    narrow = prediction(1e-6)
    margin = math.log(1.05)
    for layer, passed in (("hidden_1", 1), ("hidden_3", 3)):
        fine = shifted(flat, "signal", 0.99 * passed * margin, [layer])
        off = shifted(flat, "signal", 1.01 * passed * margin, [layer])
        assert theory_check.check(fine, narrow).status == "passed"
        assert theory_check.check(off, narrow).layers == (layer,)


def test_theory_uses_the_band_of_the_mean_over_the_seeds() -> None:
    """A mean over 64 seeds has an eighth of the deviation of one."""
    by = 1.0
    for seeds, status in ((1, "passed"), (64, "failed")):
        made = shifted(bank(range(seeds), kappa=1e-12), "signal", by, ["hidden_1"])
        assert theory_check.check(made, prediction(0.5)).status == status


def test_the_first_of_equally_bad_layers_is_named() -> None:
    made = bank(range(2), trained=2)
    for series in (made.initial, made.trained):
        series["dead_fraction"][:] = 0.5
    [check] = expectations.checks({"max_dead_fraction": 0.4}, made, HEALTHY)
    assert (check.status, check.layers) == (Status.FAILED, ("hidden_1",))
    assert "in hidden_1 at initialisation" in check.sentence
