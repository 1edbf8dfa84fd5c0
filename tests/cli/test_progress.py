"""Progress says which seed of how many, how fast, and how long it takes still."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gradscope.cli import progress, streams
from gradscope.cli.progress import Progress, _Group


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Builder:
    """What progress asks of a record in the making."""

    def __init__(self, steps: int) -> None:
        self.beginning = SimpleNamespace(
            steps_requested=steps,
            layers=(),
            environment=SimpleNamespace(
                jit=False, threads=1, device="CPU", tensorflow="2", keras="3"
            ),
        )

    def latest(self, name: str, role: object) -> list[float]:
        return []


def lines_of(monkeypatch: pytest.MonkeyPatch, *, trained: int, initial: int) -> list[str]:
    """The lines of a measurement of 100 steps per seed, two a second behind a first of ten."""
    clock, lines = Clock(), []
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(streams, "say", lines.append)
    shown: Any = Progress(quiet=False)
    with shown:
        shown.watch({"event": "seeds", "trained": trained, "initial": initial}, Builder(0))
        for _ in range(trained):
            builder = Builder(100)
            shown.watch({"event": "begin"}, builder)
            clock.now += 10.0
            for step in range(1, 101):
                shown.watch({"event": "step", "step": step, "scalars": [2.0]}, builder)
                clock.now += 0.5
    return lines


def test_one_seed_has_its_rate_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    device, first, second, *_, last = lines_of(monkeypatch, trained=1, initial=0)
    assert device.startswith("device: CPU, 1 thread, graph mode")
    assert first == "step 1/100  loss 2", "the first step compiles: it says nothing of the rate"
    assert second == "step 11/100  2 steps/s  44 s left  loss 2"  # 89 steps, two a second
    assert last == "step 100/100  2 steps/s  loss 2"


def test_a_baseline_says_which_seed_of_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = lines_of(monkeypatch, trained=3, initial=16)
    assert lines[1] == "seed 1 of 19: step 1/100  loss 2"
    # 89 steps of this seed and 200 of two more; initial seeds cost nothing.
    assert lines[2] == "seed 1 of 19: step 11/100  2 steps/s  2 min left  loss 2"
    assert lines[-1] == "seed 3 of 19: step 100/100  2 steps/s  loss 2"


def test_the_figures_stand_before_the_names() -> None:
    group = _Group("block12_attention/query", "block12_attention/value", 1.25e-3, 7.85e-1)
    assert "signal 1.25e-03  gradient 7.85e-01 of the last" in group.row[:52]
    assert group.row.endswith("block12_attention/query ... block12_attention/value")
