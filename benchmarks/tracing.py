"""What the first step costs: tracing the loop, and TensorFlow's preparations to run it."""

from __future__ import annotations

from typing import Any

from benchmarks.cases import Case, mlp
from benchmarks.isolated import call
from benchmarks.options import Options, Reporter, noting_load
from benchmarks.tables import Table, cell, seconds

DEPTHS: dict[str, tuple[int, float | None]] = {"depth_100": (100, 1.5), "depth_200": (200, None)}
"""Depth, and what the instrumented first call may cost over the plain one."""

DEEPEST_SECONDS = 10.0
"""What the instrumented first call may take at depth 200."""

MOST_ROUNDS = 3
"""A round builds and traces two networks anew, which takes tens of seconds."""


def measure(depth: int, rounds: int, device: str) -> dict[str, Any]:
    """Build a network of `depth` layers of 100 units again and again, and time its first step."""
    from benchmarks import loops, timing
    from gradscope.runner.runtime.device import set_threads

    config = Case("", mlp(depth, 100, 32), 0, 0).config(device)
    set_threads(config.threads)
    loops.Loop(Case("", mlp(1, 8, 32), 0, 0).config(device), measure=True)  # TensorFlow's own start
    costs: timing.Costs = {"plain": [], "instrumented": []}
    traces = []
    for _ in range(rounds):
        for name, each in costs.items():
            loop = loops.Loop(config, measure=name == "instrumented")
            each.append(loop.first_call)
            traces.append(loop.traces_after((7, 2, 1)))
    return {
        "traces": max(traces),
        "seconds": {
            name: timing.spread([cost.cpu / 1e3 for cost in each]) for name, each in costs.items()
        },
        "ratio": timing.ratio_of(costs, "instrumented", "plain", device),
    }


def run(options: Options, report: Reporter) -> list[dict[str, Any]]:
    """Measure each depth in a process of its own."""
    entries = []
    for name in options.chosen(DEPTHS):
        report(f"tracing: {name}")
        rounds = min(MOST_ROUNDS, options.rounds)
        arguments = {"depth": DEPTHS[name][0], "rounds": rounds, "device": options.device}
        measured = noting_load(call, "benchmarks.tracing:measure", arguments)
        entries.append({"case": name, "rounds": rounds} | measured)
    return entries


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Show the first calls side by side."""
    table = Table(
        "Trace and first step (processor time)",
        ("network", "plain", "instrumented", "ratio", "traces"),
    )
    for each in results:
        depth, target = DEPTHS[each["case"]]
        taken = each["seconds"]["instrumented"]["median"]
        shown = seconds(taken)
        if target is None:
            verdict = "met" if taken <= DEEPEST_SECONDS else "missed"
            shown += f", {verdict}: {DEEPEST_SECONDS:g} s"
        table.row(
            f"MLP {depth}x100, batch 32",
            seconds(each["seconds"]["plain"]["median"]),
            shown,
            cell(each["ratio"], target),
            str(each["traces"]),
        )
    return [table]
