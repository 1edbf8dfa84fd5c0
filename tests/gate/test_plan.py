"""How many seeds: the law against simulated tests, and which seeds a command measures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope import api
from gradscope.gate import plan
from gradscope.gate.comparing import seeds_needed
from gradscope.runner.runtime.seeds import Seeds
from tests.analyzer.synthetic import network
from tests.gate.seed_statistics import bank

TABLE = {  # kappa: width: seeds per side for 5, 10, 20, 50 layers, by simulating Welch's test
    5.0: {64: (118, 54, 26, 12), 128: (62, 27, 15, 7), 256: (31, 15, 9, 5), 512: (17, 9, 6, 5)},
    1.2: {64: (29, 15, 9, 5), 128: (16, 9, 6, 4), 256: (10, 6, 5, 4)},
    0.4: {64: (12, 7, 5, 4), 128: (7, 5, 4, 4)},
    0.15: {64: (6, 5, 4, 4)},
}
"""Two-sided at 0.005, power 99 %, +10 % of the variance per layer."""


@pytest.mark.parametrize("kappa", TABLE)
def test_the_law_asks_for_what_simulated_tests_needed(
    kappa: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeds_needed, "KAPPA_OTHERWISE", kappa)
    for width, row in TABLE[kappa].items():
        for depth, simulated in zip((5, 10, 20, 50), row, strict=True):
            found = seeds_needed.seeds_needed(network([width] * depth), 0.005)
            assert abs(found - simulated) <= max(1, 0.1 * simulated), (width, depth)


def test_what_stands_in_the_network_decides() -> None:
    plain, normed, narrow = (
        seeds_needed.seeds_needed(network([width] * 10, normalization=norm), 0.005)
        for width, norm in ((128, None), (128, "before_activation"), (32, None))
    )
    tanh = seeds_needed.seeds_needed(network([128] * 10, activation="tanh"), 0.005)
    assert tanh < normed < plain < narrow


def test_what_a_baseline_measures() -> None:
    config = api.load_config({"name": "net", "model": {"depth": 20, "width": 100}, "seed": 7})
    seeds = plan.for_baseline(config, at_init=False, seeds=None, trained=None)
    assert seeds.trained == (7, 8, 9, 10, 11)
    assert seeds.initial[0] == 12
    assert len(seeds) == max(plan.MIN_SEEDS, plan.seeds_for_comparison(config))
    asked = plan.for_baseline(config, at_init=True, seeds=3, trained=5)
    assert asked == Seeds((), (7, 8, 9))
    shallow = api.load_config({"name": "net", "model": {"hidden": [16, 16]}})
    assert len(plan.for_baseline(shallow, at_init=True, seeds=None, trained=None)) == plan.MAX_SEEDS


def test_what_a_check_measures() -> None:
    config = api.load_config({"name": "net", "model": {"depth": 4}, "seed": 1})

    def seeds(**asked: object) -> Seeds:
        given = {"at_init": False, "seeds": None, "trained": None, "baseline": None, **asked}
        return plan.for_check(config, given.pop("baseline"), **given)  # type: ignore[arg-type]

    assert seeds() == Seeds((1,), tuple(range(2, 9)))
    assert seeds(at_init=True) == Seeds((), tuple(range(1, 9)))
    known = bank(range(1, 13), trained=3)
    assert seeds(baseline=known) == Seeds((1, 2, 3), tuple(range(4, 13)))
    assert len(seeds(baseline=replace(known, trained_seeds=0)).trained) == 1
    assert seeds(baseline=known, seeds=5, trained=5) == Seeds((1, 2, 3, 4, 5), ())
    own = api.load_config({"model": {"factory": "mine:net"}, "data": {"factory": "mine:data"}})
    assert plan.for_check(own, None, at_init=False, seeds=None, trained=None) == Seeds((42,), ())
