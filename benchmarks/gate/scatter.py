"""How much one layer adds to the scatter over seeds: the constants of `gate.seeds_needed`."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.gate.networks import GLOROT, HE, LECUN, Tree, dense
from benchmarks.gate.seed_statistics import USUAL, Order, Store
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.comparing import seeds_needed

FIRST_SEED = 40_000_000
SEEDS, QUICK_SEEDS = 100, 6


def _orthogonal(activation: str, gain: float) -> Tree:
    tree = dense(10, 64, activation, LECUN)
    for layer in tree["model"]["layers"]:
        layer["initializer"] = {"name": "orthogonal", "gain": gain}
    return tree


KINDS: dict[str, Tree] = {
    "ReLU, He": dense(10, 64, "relu", HE),
    "ReLU, He, 20x64": dense(20, 64, "relu", HE),
    "leaky ReLU, He": dense(10, 64, "leaky_relu", HE),
    "ELU, He": dense(10, 64, "elu", HE),
    "GELU, He": dense(10, 64, "gelu", HE),
    "SiLU, He": dense(10, 64, "silu", HE),
    "Mish, He": dense(10, 64, "mish", HE),
    "SELU, LeCun": dense(10, 64, "selu", LECUN),
    "tanh, Glorot": dense(10, 64, "tanh", GLOROT),
    "sigmoid, Glorot": dense(10, 64, "sigmoid", GLOROT),
    "linear, LeCun": dense(10, 64, "linear", LECUN),
    "ReLU, orthogonal": _orthogonal("relu", 2.0**0.5),
    "linear, orthogonal": _orthogonal("linear", 1.0),
    "ReLU, batch norm before": dense(10, 64, "relu", HE, batch_norm="before_activation"),
    "ReLU, batch norm after": dense(10, 64, "relu", HE, batch_norm="after_activation"),
    "tanh, batch norm before": dense(10, 64, "tanh", GLOROT, batch_norm="before_activation"),
}


def run(store: Store, *, quick: bool) -> list[dict[str, Any]]:
    """Measure every kind; one entry each."""
    count = QUICK_SEEDS if quick else SEEDS
    kinds = dict(list(KINDS.items())[:1]) if quick else KINDS
    orders = {
        name: Order(f"scatter of {name}", tree, USUAL, FIRST_SEED, count)
        for name, tree in kinds.items()
    }
    store.measure(orders.values())
    return [{"kind": name} | scatter(store.read(order)) for name, order in orders.items()]


def scatter(statistics: SeedStatistics) -> dict[str, Any]:
    """Var(ln last - ln first) over the seeds, over the sum of 1 / width of the hidden layers.

    `delta` is what `seeds_needed` calls kappa, `signal` the same of E z^2; the interval is that of
    a normal sample's variance, at 95 %, by Wilson and Hilferty.
    """
    hidden = [x for x in statistics.layers if x.role == "hidden" and x.main_path]
    first, last = hidden[0].index, hidden[-1].index
    widths = sum(1.0 / (x.units or 1) for x in hidden)
    scatter: dict[str, Any] = {
        "seeds": len(statistics.seeds),
        "assumed": seeds_needed.kappa(hidden[0]),
    }
    for name in ("delta", "signal"):
        figure = statistics.initial[name]
        variance = float(np.var(figure[:, last] - figure[:, first], ddof=1))
        scatter[name] = variance / widths
    degrees = len(statistics.seeds) - 1
    spread = 2.0 / (9.0 * degrees)
    ends = (1.0 - spread - 1.96 * spread**0.5, 1.0 - spread + 1.96 * spread**0.5)
    scatter["low"], scatter["high"] = (scatter["delta"] / end**3 for end in reversed(ends))
    return scatter
