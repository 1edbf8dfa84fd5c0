"""The noise under the tolerances: the same seeds measured under every setting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.gate.networks import CNN, DEEP, HE, NETS, NORM, RELU, TANH, dense
from benchmarks.gate.seed_statistics import USUAL, Order, Store
from gradscope.gate.baselines import figures
from gradscope.gate.baselines.seed_statistics import SeedStatistics

FIRST_SEED = 30_000_000
SEEDS = 5
OWN_SEEDS = 2
"""Of the network that is built again for each."""

KINDS = {name: NETS[name] for name in (RELU, TANH, DEEP, NORM)} | {
    "ReLU 20x100, batch norm before": dense(20, 100, "relu", HE, batch_norm="before_activation"),
    CNN: NETS[CNN],
}
OTHERS = ("2 threads", "1 thread, XLA", "oneDNN", "op determinism", "Grappler")
"""The settings that differ in one thing; that nothing differs in the usual one is part of A/A."""


def orders(names: list[str]) -> Iterator[tuple[str, Order, Order]]:
    """Kind, its seed statistics under the usual setting, and the same seeds under another."""
    for name in names:
        count = OWN_SEEDS if name == CNN else SEEDS
        base = Order(name, KINDS[name], USUAL, FIRST_SEED, count)
        for setting in OTHERS:
            yield name, base, replace(base, setting=setting)


def run(store: Store, *, quick: bool) -> list[dict[str, Any]]:
    """Measure each kind under each setting; the largest differences of first-step figures."""
    pairs = list(orders([TANH] if quick else list(KINDS)))
    store.measure(order for _, base, other in pairs for order in (base, other))
    return [
        {"net": name, "setting": other.setting} | differences(store.read(base), store.read(other))
        for name, base, other in pairs
    ]


def differences(one: SeedStatistics, other: SeedStatistics) -> dict[str, float]:
    """The largest |difference| of each initial figure, and how far the kernels wander over seeds.

    Logarithms of second moments, shares as they are. `wander` is what `SAME_DRAWS` bounds, `zeros`
    how many figures are an exact zero on one side only.
    """
    largest, zeros = {}, 0
    for name in figures.INITIAL:
        old, new = one.initial[name], other.initial[name]
        zeros += int(np.sum(np.isinf(old) != np.isinf(new)))
        known = np.isfinite(old) & np.isfinite(new)
        largest[name] = float(np.max(np.abs(new[known] - old[known]), initial=0.0))
    with np.errstate(invalid="ignore"):
        apart = other.initial["weight"] - one.initial["weight"]
    columns = apart[:, np.isfinite(apart).all(axis=0)]
    return largest | {"wander": float(np.max(np.ptp(columns, axis=0), initial=0.0)), "zeros": zeros}
