"""A/A: networks that nothing was done to, measured again, and how often the gate fails them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.gate.networks import CNN, DEEP, NETS, NORM, RELU, SELU, TANH
from benchmarks.gate.seed_statistics import USUAL, Order, Store, seeds_of
from benchmarks.intervals import clopper_pearson
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Status
from gradscope.gate.comparing import comparison

FIRST_SEED = 10_000_000
"""No other part of the proof uses a seed of this range."""

PER_BASELINE = 10
"""Re-runs with fresh seeds that are held against one baseline before the next one is drawn."""

AGAINST = ("1 thread", "2 threads", "1 thread, XLA", "2 threads, XLA")
WITHOUT_XLA = AGAINST[:2]


@dataclass(frozen=True)
class Plan:
    """Re-runs of one network under each setting: how many baselines, fresh re-runs for each."""

    net: str
    baselines: int
    fresh: int = PER_BASELINE
    trained: int = 0
    settings: tuple[str, ...] = AGAINST


PLANS = (
    Plan(RELU, 7),
    Plan(TANH, 8),
    Plan(SELU, 8),
    Plan(NORM, 5),
    Plan(DEEP, 3),
    Plan(CNN, 2, fresh=2, settings=WITHOUT_XLA),
    Plan(RELU, 2, fresh=4, trained=5),
    Plan(TANH, 2, fresh=4, trained=5),
    Plan(NORM, 2, fresh=4, trained=5),
    Plan(CNN, 2, fresh=2, trained=3, settings=WITHOUT_XLA),
)
QUICK = (Plan(TANH, 1, fresh=2, settings=WITHOUT_XLA),)


@dataclass(frozen=True)
class Rerun:
    """A baseline and a clean re-run of it, from the same seeds or from fresh ones."""

    baseline: Order
    again: Order

    @property
    def fresh(self) -> bool:
        """Whether the seeds are others."""
        return self.again.first != self.baseline.first


def reruns(plans: tuple[Plan, ...]) -> Iterator[Rerun]:
    """Every re-run of the plans; no seed is used for two of them, and each is measured anew."""
    seed = FIRST_SEED
    for plan in plans:
        tree = NETS[plan.net]
        count = max(seeds_of(tree), plan.trained)
        label = plan.net + (", trained" if plan.trained else "")
        for setting in plan.settings:
            for _ in range(plan.baselines):
                base = Order(label, tree, USUAL, seed, count, plan.trained)
                yield Rerun(base, replace(base, setting=setting, repeat=True))
                for _ in range(plan.fresh):
                    seed += count
                    yield Rerun(base, replace(base, setting=setting, first=seed, repeat=True))
                seed += count


def run(store: Store, *, quick: bool) -> list[dict[str, Any]]:
    """Measure all re-runs and compare them: one entry per network, setting and kind of seeds."""
    pairs = list(reruns(QUICK if quick else PLANS))
    store.measure(order for pair in pairs for order in (pair.baseline, pair.again))
    answers: dict[tuple[str, str, bool], Counter[str]] = {}
    alarms: dict[tuple[str, str, bool], list[str]] = {}
    for pair in pairs:
        key = (pair.baseline.label, pair.again.setting, pair.fresh)
        counts = answers.setdefault(key, Counter())
        answer, sentence = judged(store.read(pair.baseline), store.read(pair.again))
        counts[answer] += 1
        counts["new verdicts"] += new_verdicts(store.read(pair.baseline), store.read(pair.again))
        if answer == "alarm":
            alarms.setdefault(key, []).append(sentence)
    return [
        {
            "net": net,
            "trained": "trained" in net,
            "setting": setting,
            "seeds": "fresh" if fresh else "the same",
            "reruns": counts.total() - counts["new verdicts"],
            "alarms": counts["alarm"],
            "inconclusive": counts["inconclusive"],
            "new_verdicts": counts["new verdicts"],
            "sentences": alarms.get((net, setting, fresh), []),
        }
        for (net, setting, fresh), counts in answers.items()
    ]


def judged(before: SeedStatistics, after: SeedStatistics) -> tuple[str, str]:
    """``alarm``, ``inconclusive`` or ``passed``, and what the first such check said."""
    checks = comparison.compare(before, after).checks
    for status, answer in ((Status.FAILED, "alarm"), (Status.INCONCLUSIVE, "inconclusive")):
        for check in checks:
            if check.status is status:
                return answer, f"{check.name}: {check.sentence}"
    return "passed", ""


def new_verdicts(before: SeedStatistics, after: SeedStatistics) -> bool:
    """Whether the detectors found an error in most seeds that the baseline has in none."""
    known = {verdict.code for verdict in before.verdicts}
    common = {v.code for v in after.verdicts if 2 * v.seeds > max(1, after.trained_seeds)}
    return bool(common - known)


def rate(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The alarm rate of entries together, with its 95 % interval."""
    reruns, alarms = (sum(entry[key] for entry in entries) for key in ("reruns", "alarms"))
    low, high = clopper_pearson(alarms, reruns)
    return {"reruns": reruns, "alarms": alarms, "low": low, "high": high}
