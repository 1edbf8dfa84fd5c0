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
from gradscope.gate import baseline, plan
from gradscope.gate.bank import Bank
from gradscope.record import RunRecord

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
        return hashlib.sha256(told.encode()).hexdigest()[:24] + baseline.SUFFIX


class Store:
    """A folder of banks."""

    def __init__(self, folder: Path, report: Reporter) -> None:
        self.folder = folder
        self.report = report
        folder.mkdir(parents=True, exist_ok=True)

    def measure(self, orders: Iterable[Order]) -> None:
        """Measure those that are not there yet, one process after the other."""
        asked = dict.fromkeys(orders)
        missing = [order for order in asked if not (self.folder / order.file).exists()]

        def process(order: Order) -> tuple[str, str, bool]:
            return order.setting, order.label, order.repeat

        missing.sort(key=process)
        for (setting, label, _), same in groupby(missing, key=process):
            together = list(same)
            self.report(f"{setting}: {label}, {len(together)} banks")
            banks = [
                [str(self.folder / each.file), each.first, each.seeds, each.trained]
                for each in together
            ]
            arguments = {"setting": setting, "tree": together[0].tree, "banks": banks}
            variables = SETTINGS[setting].variables
            isolated.call("benchmarks.gate.banks:measured", arguments, variables)

    def bank(self, order: Order) -> Bank:
        """The bank of an order that was measured."""
        return baseline.read(self.folder / order.file)


def measured(setting: str, tree: Mapping[str, Any], banks: list[list[Any]]) -> int:
    """Measure banks of one config in this process, each into its file; give how many.

    The network is built and traced once for all of them.
    """
    from contextlib import nullcontext
    from unittest import mock

    from gradscope.runner import device

    under = SETTINGS[setting]
    if under.op_determinism:
        device.make_deterministic()
    config = api.load_config(
        tree,
        [f"threads={under.threads}", f"training.jit={'on' if under.xla else 'off'}"],
    )
    # `device.settings` is what turns Grappler off.
    with mock.patch.object(device, "settings", nullcontext) if under.grappler else nullcontext():
        trained = [first + i for _, first, _, whole in banks for i in range(whole)]
        initial = [first + i for _, first, seeds, whole in banks for i in range(whole, seeds)]
        records = api.run_seeds(config, trained, at_init=initial)
        whole_records = {seed: next(records) for seed in trained}
        for path, first, seeds, whole in banks:
            found: list[RunRecord] = [whole_records.pop(first + i) for i in range(whole)]
            found += [next(records) for _ in range(whole, seeds)]
            bank = api.bank_of(found, whole)
            partial = Path(path).with_suffix(f".{os.getpid()}")
            partial.write_bytes(baseline.render(bank))
            partial.replace(path)
    return len(banks)


def seeds_of(tree: Mapping[str, Any]) -> int:
    """The seeds at initialisation that `gradscope baseline` would measure."""
    config = api.load_config(tree)
    return len(plan.for_baseline(config, at_init=True, seeds=None, trained=None))
