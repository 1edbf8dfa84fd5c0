"""A kernel that every seed draws alike, or that is another layer's, is no chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Status
from gradscope.gate.comparing.alignment import align
from gradscope.gate.comparing.comparison import compare
from gradscope.gate.comparing.repeated_kernels import find_repeated_kernels
from tests.gate.seed_statistics import bank


def found(before: SeedStatistics, after: SeedStatistics) -> list[tuple[str, str]]:
    differences = find_repeated_kernels(before, after, align(before.layers, after.layers))
    return [(difference.layer, difference.effect) for difference in differences]


def with_kernel(of: SeedStatistics, column: int, values: object) -> SeedStatistics:
    weight = of.initial["weight"].copy()
    weight[:, column] = values
    return replace(of, initial=of.initial | {"weight": weight})


def test_a_kernel_of_one_seed_is_told_and_named_as_the_cause() -> None:
    before, after = bank(range(5)), bank(range(100, 105))
    assert found(before, after) == []
    column = after.layers[1].index
    fixed = with_kernel(after, column, after.initial["weight"][0, column])
    name = after.layers[1].name
    assert found(before, fixed) == [(name, "the same for every seed")]
    check = next(c for c in compare(before, fixed).checks if c.name == "initialisation")
    assert check.status is Status.FAILED and check.layers == (name,)
    assert "rms of the kernel the same for every seed" in check.sentence


def test_what_was_fixed_before_and_what_scatters_a_little_is_left_alone() -> None:
    before, after = bank(range(5)), bank(range(100, 105))
    column = after.layers[1].index
    value = after.initial["weight"][0, column]
    assert found(with_kernel(before, column, value), with_kernel(after, column, value)) == []
    scattered = with_kernel(after, column, value + np.linspace(0, 4e-4, 5))
    assert found(before, scattered) == []
    zeros = with_kernel(after, column, -np.inf)
    assert found(before, zeros) == []


def test_one_seed_cannot_tell() -> None:
    assert found(bank([1]), bank([2])) == []


def test_two_layers_of_the_same_numbers_are_told_unless_the_baseline_has_them_too() -> None:
    def twins(of: SeedStatistics) -> SeedStatistics:
        return with_kernel(of, of.layers[2].index, of.initial["weight"][:, of.layers[1].index])

    before, after = bank(range(5)), bank(range(100, 105))
    told = f"the same as in {after.layers[1].name} for every seed"
    assert found(before, twins(after)) == [(after.layers[2].name, told)]
    assert found(twins(before), twins(after)) == []
