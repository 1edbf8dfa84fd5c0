"""How much memory measuring takes: the peak of a process that trains, with it and without."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.isolated import call
from benchmarks.options import Options, Reporter, noting_load
from benchmarks.tables import Table, cell

LIMITS = {"mlp_10x512": 1.10, "mlp_50x512": 1.15}
"""What the peak may be over that of the plain loop."""

STEPS = 25
"""Steps of a chunk: about as many as 10x512 runs in a call."""

CHUNKS = 3
MOST_ROUNDS = 3
"""The peak of a process hardly varies, and each round is two processes."""


def measure(case: str, instrumented: bool, device: str) -> dict[str, float]:
    """Train three chunks and give the peak of this process in MiB."""
    from benchmarks import loops
    from gradscope.runner.runtime.device import set_threads

    config = CASES[case].config(device)
    set_threads(config.threads)
    loop = loops.Loop(config, measure=instrumented).contender(case, STEPS)
    with loop.surroundings():
        for _ in range(CHUNKS):
            loop.run()
    return {"peak_mib": peak_mib()}


def peak_mib() -> float:
    """Most memory this process ever held; Linux counts the starting process in without /proc."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def run(options: Options, report: Reporter) -> list[dict[str, Any]]:
    """Measure each case in turns, a process each."""
    return [noting_load(_case, name, options, report) for name in options.chosen(LIMITS)]


def _case(case: str, options: Options, report: Reporter) -> dict[str, Any]:
    from benchmarks import timing

    report(f"memory: {CASES[case].title}")
    peaks: dict[bool, list[float]] = {False: [], True: []}
    rounds = min(MOST_ROUNDS, options.rounds)
    for _ in range(rounds):
        for instrumented, each in peaks.items():
            arguments = {"case": case, "instrumented": instrumented, "device": options.device}
            each.append(call("benchmarks.memory:measure", arguments)["peak_mib"])
    return {
        "case": case,
        "rounds": rounds,
        "plain_mib": timing.spread(peaks[False]),
        "instrumented_mib": timing.spread(peaks[True]),
        "ratio": timing.ratio(peaks[True], peaks[False]),
    }


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Show the peaks side by side."""
    table = Table(
        f"Peak resident memory, chunks of {STEPS} steps", ("case", "plain", "instrumented", "ratio")
    )
    for each in results:
        table.row(
            CASES[each["case"]].title,
            f"{each['plain_mib']['median']:.0f} MiB",
            f"{each['instrumented_mib']['median']:.0f} MiB",
            cell(each["ratio"], LIMITS[each["case"]]),
        )
    return [table]
