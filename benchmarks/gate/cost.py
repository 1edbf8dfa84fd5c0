"""What the seeds at initialisation cost, inside a process that has started."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmarks import isolated
from benchmarks.gate.networks import DEEP, NETS, NORM, RELU, TANH
from benchmarks.gate.seed_statistics import Reporter, seeds_of
from gradscope import api
from gradscope.gate.comparing import comparison

ROUNDS = 3


def run(report: Reporter, *, quick: bool) -> list[dict[str, Any]]:
    """Processor time of the first seed (it builds and traces), of each other, of a comparison."""
    costs = []
    for net in (TANH,) if quick else (RELU, TANH, NORM, DEEP):
        report(f"cost: {net}")
        arguments = {"tree": NETS[net], "seeds": seeds_of(NETS[net])}
        costs.append({"net": net} | isolated.call("benchmarks.gate.cost:measured", arguments))
    return costs


def measured(tree: Mapping[str, Any], seeds: int) -> dict[str, Any]:
    """Seconds of processor time, after TensorFlow's start; the later seeds' best of a few rounds.

    Every round measures as many seeds as a check does.
    """
    list(api.run_seeds(api.load_config(tree), [], at_init=[0]))
    config = api.load_config(tree)
    started = time.process_time()
    records = api.run_seeds(config, [], at_init=range(seeds * ROUNDS + 1))
    next(records)
    first = time.process_time() - started
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        statistics = api.seed_statistics([next(records) for _ in range(seeds)], 0)
        rounds.append((time.process_time() - started) / seeds)
    started = time.process_time()
    comparison.compare(statistics, statistics)
    compared = time.process_time() - started
    return {"seeds": seeds, "first": first, "each": min(rounds), "compare": compared}
