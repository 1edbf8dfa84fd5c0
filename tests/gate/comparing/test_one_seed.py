"""Models given as objects: one seed, and names that Keras counts through the whole process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope import api
from gradscope.errors import BadRequest
from gradscope.gate import baseline_replacement, plan
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Check
from gradscope.gate.comparing import comparison
from gradscope.gate.comparing.alignment import align
from gradscope.runner.runtime.seeds import Seeds
from tests.analyzer.synthetic import changed
from tests.gate.seed_statistics import accepted, bank, shifted


def answers(before: SeedStatistics, after: SeedStatistics) -> dict[str, Check]:
    return {check.name: check for check in comparison.compare(before, after).checks}


def renamed(made: SeedStatistics, offset: int) -> SeedStatistics:
    """Hidden layers called as the Dense layers of a process that has made `offset` before."""
    layers = made.layers
    for number in range(1, 5):
        place = number - 1 + offset
        name = f"dense_{place}" if place else "dense"
        layers = changed(layers, f"hidden_{number}", name=name)
    return replace(made, layers=layers)


def test_names_that_keras_counted_on_do_not_shift_the_layers() -> None:
    """dense_1 is the second layer of the one and the first of the other."""
    before, after = renamed(bank(range(3)), 0), renamed(bank(range(3)), 1)
    assert all(i == j for i, j in align(before.layers, after.layers).pairs)
    found = answers(before, after)
    assert (found["structure"].status, found["initialisation"].status) == ("passed", "passed")
    worse = answers(before, shifted(after, "signal", 0.2, ["dense_3"]))["initialisation"]
    assert worse.layers == ("dense_3",)


def test_layers_that_changed_places_are_told_by_name() -> None:
    before = bank(range(3))
    layers = changed(before.layers, "hidden_1", name="x")
    layers = changed(changed(layers, "hidden_2", name="hidden_1"), "x", name="hidden_2")
    pairs = align(before.layers, layers).pairs
    assert all(before.layers[i].name == layers[j].name for i, j in pairs)
    assert any(i != j for i, j in pairs)


def test_one_seed_is_paired_with_the_very_same_weights() -> None:
    before = bank([7])
    assert answers(before, before)["initialisation"].status == "passed"
    worse = answers(before, shifted(before, "signal", 0.1, ["hidden_2"]))["initialisation"]
    assert (worse.status, worse.layers) == ("failed", ("hidden_2",))


def test_one_seed_with_other_weights_cannot_tell() -> None:
    """Other draws of the same law: without scatter over seeds, they are no effect."""
    before, other = bank([7]), replace(bank([8]), seeds=(7,))
    check = answers(before, other)["initialisation"]
    assert check.status == "inconclusive"
    assert "underpowered" in check.sentence
    assert "other numbers were drawn" in check.evidence


def test_a_training_of_one_seed_is_never_found_alike() -> None:
    one, several = bank([7], trained=1), bank(range(7, 12), trained=5)
    assert answers(one, one)["training"].status == "skipped"
    assert "one trained seed" in answers(one, one)["training"].sentence
    alone = bank(range(7, 12), trained=1)
    check = answers(several, alone)["training"]
    assert check.status == "inconclusive"
    assert "needs K=5 trained seeds" in check.sentence


def test_the_plan_of_an_object() -> None:
    config = api.load_config({"model": {"depth": 2}, "seed": 9})
    trained = plan.for_single_seed(config, at_init=False, seeds=None, trained=1)
    assert (trained, plan.for_single_seed(config, at_init=True, seeds=1, trained=None)) == (
        Seeds((9,), ()),
        Seeds((), (9,)),
    )
    with pytest.raises(BadRequest, match="one seed"):
        plan.for_single_seed(config, at_init=True, seeds=3, trained=None)


def test_what_another_baseline_changes() -> None:
    before = bank(range(3))
    after = shifted(bank(range(3), verdicts=(accepted("GS101", 1),)), "signal", 0.2)
    told = {check.name: str(check.status) for check in baseline_replacement.changes(before, after)}
    assert told["initialisation"] == "failed"
    assert told["GS101 vanishing_gradient"] == "inconclusive"
    [other] = baseline_replacement.changes(replace(before, name="other"), after)
    assert "'other'" in other.sentence
    [unread] = baseline_replacement.changes("cannot be read", after)
    assert unread.sentence == "cannot be read"
