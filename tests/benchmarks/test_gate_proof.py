"""The gate's proof: what it asks for, how it counts, and that its page shows its results."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import isolated
from benchmarks.gate import clean, faults, noise, scatter, seed_statistics
from benchmarks.gate.networks import FAULTS, NETS, planted
from benchmarks.intervals import clopper_pearson
from gradscope import api
from gradscope.gate.baselines import baseline_file
from gradscope.gate.comparing import pairing
from gradscope.gate.comparing.config_change import changes
from scripts.make_gate_page import PAGE, RESULTS, page
from tests.each_case import each_case
from tests.gate.seed_statistics import bank, shifted

FOUND = json.loads(RESULTS.read_text(encoding="utf-8"))


def test_the_page_is_current() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(written, FOUND), "run scripts/make_gate_page.py"


def test_the_kept_results_keep_the_promises() -> None:
    rate = clean.rate(FOUND["clean"])
    assert rate["reruns"] >= 1000 and rate["high"] <= 0.01
    assert {entry["setting"] for entry in FOUND["clean"]} == set(clean.AGAINST)
    for entry in FOUND["faults"]:
        where = (entry["fault"], entry["net"], entry["way"])
        paired = entry["way"] in (faults.PAIRED, faults.ELSEWHERE)
        if entry["silent"]:
            assert entry["detected"] == 0, where
        elif paired or entry["fault"].startswith("gain x1.1"):
            assert entry["detected"] >= 0.99 * entry["trials"], where
        if paired and not entry["silent"]:
            assert entry["right"] in (None, entry["trials"]), where


def test_the_kept_results_bear_out_the_constants() -> None:
    for entry in FOUND["noise"]:
        where = (entry["net"], entry["setting"])
        figures = ("signal", "delta", "kernel_gradient", "update", "weight")
        assert max(entry[name] for name in figures) < 0.1 * pairing.SAME_MACHINE, where
        assert entry["wander"] < 0.1 * pairing.SAME_DRAWS and entry["zeros"] == 0, where
    for entry in FOUND["scatter"]:
        assert entry["assumed"] >= entry["low"], entry["kind"]


def test_no_seed_serves_two_re_runs_and_a_baseline_serves_few() -> None:
    pairs = list(clean.reruns(clean.PLANS))
    fresh = [pair for pair in pairs if pair.fresh]
    used: set[int] = set()
    for order in {pair.baseline for pair in pairs} | {pair.again for pair in fresh}:
        seeds = set(range(order.first, order.first + order.seeds))
        assert not seeds & used, order
        used |= seeds
    served = [sum(pair.baseline == one for pair in pairs) for one in {p.baseline for p in pairs}]
    assert max(served) <= clean.PER_BASELINE + 1
    assert all(pair.again != pair.baseline and pair.again.repeat for pair in pairs)
    assert len(fresh) >= 1000


def test_trials_pair_what_they_say() -> None:
    for trial in faults.trials(faults.FULL):
        same = trial.before.first == trial.after.first
        assert same == (trial.way in (faults.PAIRED, faults.ELSEWHERE)), trial
        assert trial.before.seeds == trial.after.seeds
        assert trial.before.trained == trial.after.trained
        assert trial.before.tree == NETS[trial.net] != trial.after.tree


@each_case("fault", FAULTS)
def test_a_fault_changes_one_thing_and_leaves_the_network_as_it_was(fault: Any) -> None:
    for net in fault.nets:
        before = json.dumps(NETS[net])
        old, new = (
            api.load_config(tree).to_dict() for tree in (NETS[net], planted(NETS[net], fault))
        )
        assert len(changes(old, new)) == 1, changes(old, new)
        assert json.dumps(NETS[net]) == before


def test_answers_are_counted_once_and_an_alarm_comes_before_all() -> None:
    one, other = bank(range(20)), bank(range(100, 120))
    assert clean.judged(one, one) == ("passed", "")
    answer, sentence = clean.judged(one, shifted(other, "signal", 2.0))
    assert answer == "alarm" and sentence.startswith("initialisation: ")
    few = bank(range(3)), bank(range(100, 103))
    assert clean.judged(*few)[0] == "inconclusive"
    entries = [{"reruns": 600, "alarms": 1}, {"reruns": 400, "alarms": 2}]
    # Clopper & Pearson, Biometrika 26 (1934): 3 of 1000 lies in 0.0619 % to 0.8742 %.
    rate = clean.rate(entries)
    assert (rate["reruns"], rate["alarms"]) == (1000, 3)
    assert (rate["low"], rate["high"]) == pytest.approx((0.000619, 0.008742), abs=2e-6)


def test_an_interval_without_a_hit_has_its_closed_form() -> None:
    assert clopper_pearson(0, 200)[1] == pytest.approx(1.0 - 0.025 ** (1 / 200), rel=1e-9)
    assert clopper_pearson(100, 100) == (pytest.approx(0.025 ** (1 / 100), rel=1e-9), 1.0)


def test_noise_is_the_largest_difference_and_a_gain_is_no_wander() -> None:
    one = bank(range(4))
    moved = shifted(shifted(one, "delta", 3e-4), "delta", 2e-4, [one.layers[2].name])
    found = noise.differences(one, shifted(moved, "weight", 0.7))
    assert found["delta"] == pytest.approx(5e-4, rel=1e-6)
    assert found["weight"] == pytest.approx(0.7) and found["wander"] == pytest.approx(0, abs=1e-12)
    values = one.initial["weight"].copy()
    values[1, one.layers[1].index] += 1e-3
    other = replace(one, initial=one.initial | {"weight": values})
    assert noise.differences(one, other)["wander"] == pytest.approx(1e-3)


def test_scatter_is_the_kappa_of_a_random_walk() -> None:
    """Each of the steps between L layers adds kappa / width: (L - 1) / L of the sum is seen."""
    depth, kappa, seeds = 9, 0.8, 3000
    found = scatter.scatter(bank(range(seeds), depth=depth, kappa=kappa))
    expected = kappa * (depth - 1) / depth
    for name in ("delta", "signal"):
        assert found[name] == pytest.approx(expected, rel=4 * math.sqrt(2 / seeds)), name
    assert found["low"] < found["delta"] < found["high"]
    assert found["high"] / found["low"] == pytest.approx(
        math.exp(4 * 0.98 * math.sqrt(2 / seeds)), 0.01
    )


def test_each_order_is_measured_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[tuple[str, int]] = []

    def call(function: str, arguments: dict[str, Any], variables: dict[str, str]) -> None:
        (job,) = arguments["jobs"]
        called.append((arguments["setting"], len(job["statistics"])))
        for path, first, seeds, _ in job["statistics"]:
            baseline_file.write(bank(range(first, first + seeds)), Path(path))

    monkeypatch.setattr(isolated, "call", call)
    order = seed_statistics.Order("net", {"name": "net"}, "1 thread", 5, 3)
    others = [replace(order, first=8), replace(order, setting="2 threads")]
    store = seed_statistics.Store(tmp_path, lambda sentence: None)
    store.measure([order, *others, order])
    assert called == [("1 thread", 2), ("2 threads", 1)]
    store.measure([order, replace(order, repeat=True)])
    assert called[2:] == [("1 thread", 1)], "a repeat is measured anew"
    assert store.read(others[0]).seeds == (8, 9, 10)
    assert np.isfinite(store.read(order).initial["signal"][:, 1]).all()


@pytest.mark.tensorflow
def test_statistics_of_one_process_are_those_of_a_baseline_byte_for_byte(tmp_path: Path) -> None:
    tree = {
        "name": "net",
        "model": {"depth": 2, "width": 6, "batch_norm": "before_activation"},
        "data": {"name": "gaussian", "samples": 200, "features": 5, "classes": 3},
        "training": {"steps": 4, "batch_size": 16, "probe_samples": 40},
    }
    asked = [[str(tmp_path / "one"), 3, 2, 1], [str(tmp_path / "two"), 8, 2, 0]]
    assert seed_statistics.measured("1 thread", [{"tree": tree, "statistics": asked}]) == 2
    config = api.load_config(tree | {"seed": 3}, ["training.jit=off", "threads=1"])
    alone = api.baseline(config, seeds=2, trained_seeds=1)
    assert (tmp_path / "one").read_bytes() == baseline_file.render(alone)
    assert baseline_file.read(tmp_path / "two").seeds == (8, 9)
