"""A/B: a fault is planted, and the gate is asked in each of the ways in which it can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.gate.banks import USUAL, Order, Store, seeds_of
from benchmarks.gate.networks import FAULTS, NETS, Fault, planted
from benchmarks.intervals import clopper_pearson
from gradscope.gate import comparison
from gradscope.gate.bank import Bank
from gradscope.gate.checks import Check, Status

FIRST_SEED = 20_000_000
"""No other part of the proof uses a seed of this range."""

OTHER = "2 threads"

PAIRED, ELSEWHERE, UNPAIRED, TRAINING = "same seeds", "same seeds, 2 threads", "fresh", "training"
"""The ways: same fingerprint, another one, other draws, and the training window of other draws."""

PROMISED = ("gain x1.05", "gain x1.1")
"""Faults whose detection is promised with 99 %: many repetitions."""


@dataclass(frozen=True)
class Size:
    """Repetitions: of what is promised, of other faults, under 2 threads, of own models, trained."""

    promised: int = 100
    others: int = 40
    elsewhere: int = 10
    own: int = 10
    trained: int = 8


FULL, QUICK_SIZE = Size(), Size(2, 2, 1, 1, 1)
TRAINED_SEEDS = 5

SHOWN_IN_TRAINING = (
    "gain x1.1, all layers",
    "learning rate x10",
    "batch norm momentum 1",
    "relu -> tanh",
)


@dataclass(frozen=True)
class Trial:
    """One fault in one network, asked in one way: (baseline, faulty bank)."""

    fault: Fault
    net: str
    way: str
    before: Order
    after: Order


def trials(size: Size, only: str = "") -> Iterator[Trial]:
    """Every trial. The baselines of a network serve all its faults; those of fresh seeds are the
    next repetition's."""
    for place, (net, tree) in enumerate(NETS.items()):
        count, own = seeds_of(tree), "layers" not in tree["model"]
        room = FIRST_SEED + 500_000 * place

        def base(repetition: int, trained: int = 0, *, net=net, tree=tree, count=count, room=room):
            return Order(net, tree, USUAL, room + repetition * count, count, trained)

        for fault in FAULTS:
            if net not in fault.nets or only not in net:
                continue
            changed, label = planted(tree, fault), f"{net}: {fault.name}"
            repetitions = size.promised if fault.name.startswith(PROMISED) else size.others
            repetitions = size.own if own else repetitions
            if not fault.trained:
                for r in range(repetitions):
                    first = base(r).first
                    after = Order(label, changed, USUAL, first, count)
                    yield Trial(fault, net, PAIRED, base(r), after)
                    yield Trial(fault, net, UNPAIRED, base((r + 1) % max(2, repetitions)), after)
                    if r < size.elsewhere and not own:
                        there = Order(label, changed, OTHER, first, count)
                        yield Trial(fault, net, ELSEWHERE, base(r), there)
            if fault.name in SHOWN_IN_TRAINING or fault.silent:
                whole = count if own else TRAINED_SEEDS
                for r in range(1000, 1000 + size.trained):
                    if "gain" in fault.name and net != fault.nets[0]:
                        continue
                    after = Order(label + ", trained", changed, USUAL, base(r).first, count, whole)
                    before = base(r + 1 if r + 1 < 1000 + max(2, size.trained) else 1000, whole)
                    yield Trial(fault, net, TRAINING, before, after)


def run(store: Store, *, quick: bool) -> list[dict[str, Any]]:
    """Measure and judge all trials: one entry per fault, network and way."""
    size = QUICK_SIZE if quick else FULL
    asked = list(trials(size, "SELU" if quick else ""))
    store.measure(order for trial in asked for order in (trial.before, trial.after))
    found: dict[tuple[str, str, str], list[tuple[Trial, tuple[Check, ...]]]] = {}
    for trial in asked:
        checks = comparison.compare(store.bank(trial.before), store.bank(trial.after)).checks
        found.setdefault((trial.fault.name, trial.net, trial.way), []).append((trial, checks))
    return [_entry(key, results, store) for key, results in found.items()]


def _entry(
    key: tuple[str, str, str],
    results: list[tuple[Trial, tuple[Check, ...]]],
    store: Store,
) -> dict[str, Any]:
    """What became of the trials of one fault in one network, asked in one way."""
    fault, net, way = key
    trial = results[0][0]
    wanted = _wanted(trial.fault, store.bank(trial.after))
    failing, firsts, words = Counter[str](), Counter[str](), ""
    detected = inconclusive = right = 0
    for _, checks in results:
        judged = [c for c in checks if c.name == "training"] if way == TRAINING else checks
        failed = [check for check in judged if check.status is Status.FAILED]
        detected += bool(failed)
        inconclusive += not failed and any(c.status is Status.INCONCLUSIVE for c in judged)
        failing.update(check.name for check in failed)
        if failed:
            first = failed[0].layers[0] if failed[0].layers else "the whole network"
            firsts[first] += 1
            right += first in wanted
            words = words or f"{failed[0].name}: {failed[0].sentence}"
    low, high = clopper_pearson(detected, len(results))
    return {
        "fault": fault,
        "net": net,
        "way": way,
        "silent": trial.fault.silent,
        "trials": len(results),
        "seeds": trial.after.trained if way == TRAINING else trial.after.seeds,
        "detected": detected,
        "low": low,
        "high": high,
        "inconclusive": inconclusive,
        "checks": dict(failing.most_common()),
        "wanted": wanted[0] if len(wanted) == 1 else "",
        "right": right if wanted else None,
        "firsts": dict(firsts.most_common(4)),
        "told": words,
    }


def _wanted(fault: Fault, bank: Bank) -> tuple[str, ...]:
    """The names that the first differing layer may have."""
    hidden = bank.names("hidden")
    places = {"middle": len(hidden) // 2, "added": -1}
    if fault.first == "batch norm":
        norms = tuple(name for name in bank.names("normalization"))
        return norms[:1] or ("hidden_1_batch_norm",)
    if fault.first in places:
        return (hidden[places[fault.first]],)
    return (fault.first,) if fault.first else ()
