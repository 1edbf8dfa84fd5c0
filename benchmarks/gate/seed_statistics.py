"""The seed statistics that a proof needs: each measured once, kept as a baseline file."""

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
    """The settings of a measuring process; `variables` are those of its environment."""

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
    """Statistics to measure: `seeds` seeds from `first` on, the first `trained` of them trained.

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
        """Name of its file: the same for the same config, setting and seeds."""
        seeds_and_setting = [self.setting, self.first, self.seeds, self.trained, self.repeat]
        identity = json.dumps([self.tree, *seeds_and_setting])
        return hashlib.sha256(identity.encode()).hexdigest()[:24] + baseline_file.SUFFIX


class Store:
    """A folder of measured seed statistics."""

    def __init__(self, folder: Path, report: Reporter) -> None:
        self.folder = folder
        self.report = report
        folder.mkdir(parents=True, exist_ok=True)

    def measure(self, orders: Iterable[Order]) -> None:
        """Measure the missing ones, one process after the other.

        A process takes a few networks of one setting; it never measures an order and its repeat.
        """
        missing = [
            order for order in dict.fromkeys(orders) if not (self.folder / order.file).exists()
        ]

        def kind(order: Order) -> tuple[str, bool]:
            return order.setting, order.repeat

        missing.sort(key=lambda order: (*kind(order), order.label))
        for (setting, _), same in groupby(missing, key=kind):
            labelled = groupby(same, key=lambda order: order.label)
            jobs = [(label, list(together)) for label, together in labelled]
            for start in range(0, len(jobs), JOBS_PER_PROCESS):
                some = jobs[start : start + JOBS_PER_PROCESS]
                labels = "; ".join(f"{label} ({len(together)})" for label, together in some)
                self.report(f"{setting}: {labels}")
                self._measure(setting, [together for _, together in some])

    def _measure(self, setting: str, jobs: list[list[Order]]) -> None:
        arguments_of_jobs = [
            {
                "tree": job[0].tree,
                "statistics": [
                    [str(self.folder / each.file), each.first, each.seeds, each.trained]
                    for each in job
                ],
            }
            for job in jobs
        ]
        arguments = {"setting": setting, "jobs": arguments_of_jobs}
        isolated.call(
            "benchmarks.gate.seed_statistics:measured", arguments, SETTINGS[setting].variables
        )

    def read(self, order: Order) -> SeedStatistics:
        """The seed statistics of a measured order."""
        return baseline_file.read(self.folder / order.file)


def measured(setting: str, jobs: list[dict[str, Any]]) -> int:
    """Measure seed statistics in this process, each into its file; return their number.

    A job has a config as `tree` and its `statistics`: path, first seed, seeds, trained seeds.
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
            _measure(api.load_config(job["tree"], overrides), job["statistics"])
    return sum(len(job["statistics"]) for job in jobs)


def _measure(config: ExperimentConfig, orders: list[tuple[str, int, int, int]]) -> None:
    """Measure the orders of one config; its network is built and traced once for all."""
    trained = [first + i for _, first, _, whole in orders for i in range(whole)]
    initial = [first + i for _, first, seeds, whole in orders for i in range(whole, seeds)]
    records = api.run_seeds(config, trained, at_init=initial)
    kept = {seed: next(records) for seed in trained}
    for path, first, seeds, whole in orders:
        measured_records = [kept.pop(first + i) for i in range(whole)]
        measured_records += [next(records) for _ in range(whole, seeds)]
        partial = Path(path).with_suffix(f".{os.getpid()}")
        partial.write_bytes(baseline_file.render(api.seed_statistics(measured_records, whole)))
        partial.replace(path)


def seeds_of(tree: Mapping[str, Any]) -> int:
    """The seeds at initialisation that `gradscope baseline` would measure."""
    config = api.load_config(tree)
    return len(plan.for_baseline(config, at_init=True, seeds=None, trained=None))
