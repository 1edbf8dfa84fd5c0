"""The banks that a proof asks for: each measured once, and kept as the file of a baseline is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks import isolated
from gradscope import api
from gradscope.config.experiment import ExperimentConfig
from gradscope.gate import plan
from gradscope.gate.baselines import baseline_file
from gradscope.gate.baselines.seed_statistics import SeedStatistics

Reporter = Callable[[str], None]


@dataclass(frozen=True)
class Setting:
    """What a process measures under; `variables` are those of its environment."""

    threads: int = 1
    xla: bool = False
    op_determinism: bool = False
    grappler: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


SETTINGS: dict[str, Setting] = {
    "1 thread": Setting(),
    "2 threads": Setting(threads=2),
    "1 thread, XLA": Setting(xla=True),
    "2 threads, XLA": Setting(threads=2, xla=True),
    "oneDNN": Setting(variables={"TF_ENABLE_ONEDNN_OPTS": "1"}),
    "op determinism": Setting(op_determinism=True),
    "Grappler": Setting(grappler=True),
}
USUAL = "1 thread"

JOBS_PER_PROCESS = 8
"""Networks that one process measures: starting TensorFlow takes as long as some hundred seeds."""


@dataclass(frozen=True)
class Order:
    """One bank to be measured: `seeds` seeds from `first` on, the first `trained` of them trained.

    `label` and `tree` are the name and the config of what is measured; a `repeat` measures again
    what was measured before, in another process.
    """

    label: str
    tree: Mapping[str, Any] = field(compare=False)
    setting: str
    first: int
    seeds: int
    trained: int = 0
    repeat: bool = False

    @property
    def file(self) -> str:
        """Where it is kept: the same for the same config, setting and seeds."""
        asked = [self.setting, self.first, self.seeds, self.trained, self.repeat]
        told = json.dumps([self.tree, *asked])
        return hashlib.sha256(told.encode()).hexdigest()[:24] + baseline_file.SUFFIX


class Store:
    """A folder of banks."""

    def __init__(self, folder: Path, report: Reporter) -> None:
        self.folder = folder
        self.report = report
        folder.mkdir(parents=True, exist_ok=True)

    def measure(self, orders: Iterable[Order]) -> None:
        """Measure those that are not there yet, one process after the other.

        A process takes a few networks of one setting; it never measures a bank and its repeat.
        """
        asked = dict.fromkeys(orders)
        missing = [order for order in asked if not (self.folder / order.file).exists()]

        def kind(order: Order) -> tuple[str, bool]:
            return order.setting, order.repeat

        missing.sort(key=lambda order: (*kind(order), order.label))
        for (setting, _), same in groupby(missing, key=kind):
            labelled = groupby(same, key=lambda order: order.label)
            jobs = [(label, list(together)) for label, together in labelled]
            for start in range(0, len(jobs), JOBS_PER_PROCESS):
                some = jobs[start : start + JOBS_PER_PROCESS]
                told = "; ".join(f"{label} ({len(together)})" for label, together in some)
                self.report(f"{setting}: {told}")
                self._measure(setting, [together for _, together in some])

    def _measure(self, setting: str, jobs: list[list[Order]]) -> None:
        told = [
            {
                "tree": job[0].tree,
                "banks": [
                    [str(self.folder / each.file), each.first, each.seeds, each.trained]
                    for each in job
                ],
            }
            for job in jobs
        ]
        arguments = {"setting": setting, "jobs": told}
        isolated.call("benchmarks.gate.banks:measured", arguments, SETTINGS[setting].variables)

    def bank(self, order: Order) -> SeedStatistics:
        """The bank of an order that was measured."""
        return baseline_file.read(self.folder / order.file)


def measured(setting: str, jobs: list[dict[str, Any]]) -> int:
    """Measure banks in this process, each into its file; give how many.

    A job has a config as `tree` and its `banks`: path, first seed, seeds, trained seeds.
    """
    from contextlib import nullcontext
    from unittest import mock

    from gradscope.runner.runtime import device

    under = SETTINGS[setting]
    if under.op_determinism:
        device.make_deterministic()
    overrides = [f"threads={under.threads}", f"training.jit={'on' if under.xla else 'off'}"]
    # `device.settings` is what turns Grappler off.
    with mock.patch.object(device, "settings", nullcontext) if under.grappler else nullcontext():
        for job in jobs:
            _measure(api.load_config(job["tree"], overrides), job["banks"])
    return sum(len(job["banks"]) for job in jobs)


def _measure(config: ExperimentConfig, banks: list[tuple[str, int, int, int]]) -> None:
    """Measure the banks of one config, whose network is built and traced once for all of them."""
    trained = [first + i for _, first, _, whole in banks for i in range(whole)]
    initial = [first + i for _, first, seeds, whole in banks for i in range(whole, seeds)]
    records = api.run_seeds(config, trained, at_init=initial)
    kept = {seed: next(records) for seed in trained}
    for path, first, seeds, whole in banks:
        found = [kept.pop(first + i) for i in range(whole)]
        found += [next(records) for _ in range(whole, seeds)]
        partial = Path(path).with_suffix(f".{os.getpid()}")
        partial.write_bytes(baseline_file.render(api.seed_statistics(found, whole)))
        partial.replace(path)


def seeds_of(tree: Mapping[str, Any]) -> int:
    """The seeds at initialisation that `gradscope baseline` would measure."""
    config = api.load_config(tree)
    return len(plan.for_baseline(config, at_init=True, seeds=None, trained=None))
