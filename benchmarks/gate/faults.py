"""A/B: a fault is planted, and the gate is asked in each of the ways in which it can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.gate.networks import FAULTS, NETS, NORM, RELU, Fault, Tree, planted
from benchmarks.gate.seed_statistics import USUAL, Order, Store, seeds_of
from benchmarks.intervals import clopper_pearson
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Check, Status
from gradscope.gate.comparing import comparison
from gradscope.record import Role

FIRST_SEED = 20_000_000
"""No other part of the proof uses a seed of this range."""

OTHER = "2 threads"

PAIRED, ELSEWHERE, UNPAIRED, TRAINING = "same seeds", "same seeds, 2 threads", "fresh", "training"
"""The ways: same fingerprint, another one, other draws, and the training window of other draws."""

MANY = ("gain x1.05", "gain x1.1")
"""Faults that are small, whose detection is a share to be counted: many repetitions."""


@dataclass(frozen=True)
class Size:
    """Repetitions: of small faults, of others, under 2 threads, of own models, and trained."""

    many: int = 100
    others: int = 25
    elsewhere: int = 10
    own: int = 10
    trained: int = 6

    def of(self, fault: str) -> int:
        """Repetitions of a fault at initialisation in a network of gradscope's own."""
        return self.many if fault.startswith(MANY) else self.others


FULL, QUICK_SIZE = Size(), Size(2, 2, 1, 1, 1)
ELSEWHERE_NETS = (RELU, NORM)
"""Without and with batch norm, which is what another fingerprint moves most."""

TRAINED_SEEDS = 5
BEYOND = 1000
"""The first repetition of the trained ones: its seeds are no other's."""

SHOWN_IN_TRAINING = (
    "gain x1.1, all layers",
    "learning rate x10",
    "batch norm momentum 1",
    "relu -> tanh",
)


@dataclass(frozen=True)
class Trial:
    """One fault in one network, asked in one way: (baseline, faulty seed statistics)."""

    fault: Fault
    net: str
    way: str
    before: Order
    after: Order


@dataclass(frozen=True)
class Baselines:
    """The baselines of one network, repetition by repetition, from seeds of their own each."""

    net: str
    tree: Tree
    seeds: int
    first: int

    def order(self, repetition: int, trained: int = 0) -> Order:
        """The baseline of a repetition."""
        first = self.first + repetition * self.seeds
        return Order(self.net, self.tree, USUAL, first, self.seeds, trained)


def trials(size: Size, only: str = "") -> Iterator[Trial]:
    """Every trial, in the networks whose name has `only` in it.

    The baselines of a network serve all its faults; with fresh seeds it is the next repetition's.
    """
    for place, (net, tree) in enumerate(NETS.items()):
        bases = Baselines(net, tree, seeds_of(tree), FIRST_SEED + 500_000 * place)
        for fault in FAULTS:
            if net in fault.nets and only in net:
                if not fault.trained:
                    yield from _at_init(bases, fault, size)
                if fault.silent or (fault.name in SHOWN_IN_TRAINING and net == fault.nets[0]):
                    yield from _trained(bases, fault, size)


def _at_init(bases: Baselines, fault: Fault, size: Size) -> Iterator[Trial]:
    own = "layers" not in bases.tree["model"]
    changed, label = planted(bases.tree, fault), f"{bases.net}: {fault.name}"
    repetitions = size.own if own else size.of(fault.name)
    for r in range(repetitions):
        base, other = bases.order(r), bases.order((r + 1) % max(2, repetitions))
        after = replace(base, label=label, tree=changed)
        yield Trial(fault, bases.net, PAIRED, base, after)
        yield Trial(fault, bases.net, UNPAIRED, other, after)
        small = fault.name.startswith(MANY) and bases.net in ELSEWHERE_NETS
        if small and r < size.elsewhere:
            yield Trial(fault, bases.net, ELSEWHERE, base, replace(after, setting=OTHER))


def _trained(bases: Baselines, fault: Fault, size: Size) -> Iterator[Trial]:
    own = "layers" not in bases.tree["model"]
    changed, label = planted(bases.tree, fault), f"{bases.net}: {fault.name}, trained"
    trained = bases.seeds if own else TRAINED_SEEDS
    for r in range(size.trained):
        base = bases.order(BEYOND + r, trained)
        other = bases.order(BEYOND + (r + 1) % max(2, size.trained), trained)
        yield Trial(fault, bases.net, TRAINING, other, replace(base, label=label, tree=changed))


def run(store: Store, *, quick: bool) -> list[dict[str, Any]]:
    """Measure and judge all trials: one entry per fault, network and way."""
    size = QUICK_SIZE if quick else FULL
    asked = list(trials(size, "SELU" if quick else ""))
    store.measure(order for trial in asked for order in (trial.before, trial.after))
    checks_by_fault: dict[tuple[str, str, str], list[tuple[Trial, tuple[Check, ...]]]] = {}
    for trial in asked:
        checks = comparison.compare(store.read(trial.before), store.read(trial.after)).checks
        checks_by_fault.setdefault((trial.fault.name, trial.net, trial.way), []).append(
            (trial, checks)
        )
    return [_entry(key, results, store) for key, results in checks_by_fault.items()]


def _entry(
    key: tuple[str, str, str],
    results: list[tuple[Trial, tuple[Check, ...]]],
    store: Store,
) -> dict[str, Any]:
    """What became of the trials of one fault in one network, asked in one way."""
    fault, net, way = key
    trial = results[0][0]
    wanted = _wanted(trial.fault, store.read(trial.after))
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
        "sentences": words,
    }


def _wanted(fault: Fault, statistics: SeedStatistics) -> tuple[str, ...]:
    """The names that the first differing layer may have."""
    hidden = statistics.names(Role.HIDDEN)
    places = {"middle": len(hidden) // 2, "added": -1}
    if fault.first == "batch norm":
        norms = tuple(name for name in statistics.names(Role.NORMALIZATION))
        return norms[:1] or ("hidden_1_batch_norm",)
    if fault.first in places:
        return (hidden[places[fault.first]],)
    return (fault.first,) if fault.first else ()
