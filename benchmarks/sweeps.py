"""What a sweep saves: members beside other ways, growth with members, theory alone, `compare`.

Members are networks of 10 layers of 100 tanh units, 100 steps, with a probe set of 200 samples.
Processor time of whole processes, their start included, with one thread each.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import timing
from benchmarks.cases import ROOT
from benchmarks.isolated import call, environment
from benchmarks.options import Options, Reporter, noting_load
from benchmarks.tables import Table, cell

CASES = {
    "sw-members": "64 members beside two other ways",
    "sw-growth": "cost and memory of a worker over its members",
    "sw-theory": "theory alone",
    "sw-compare": "`gradscope compare`",
}
WAYS = {
    "sweep": "one worker of a sweep: measured, judged, a record each",
    "process": "a worker process for each member",
    "fit": "`model.fit` and `clear_session` in one process, nothing is measured",
}
MOST_ROUNDS = 2
MEMBERS = 64
COUNTS = {"sweep": MEMBERS, "process": 1, "fit": 16}
"""Members that a process takes. The loop of `fit` costs the same for each after the first two, so
the rest of its 64 are computed from those."""

GAINS = {"process": 8.0, "fit": 3.0}
DEPTH, WIDTH, STEPS, BATCH, PROBE = 10, 100, 100, 32, 200

GROWTH_MEMBERS, GROWTH_STEPS = 500, 10
PARTS = ((2, 16), (16, 64), (64, 256), (256, GROWTH_MEMBERS))
FLAT = 1.1
"""What a member among 65 to 256 may cost over one among 3 to 16, and memory after 500 over 16."""

THEORY_VARY = "model.depth={range: [5, 50], num: 19, integer: true}"
THEORY_MEMBERS = 1026
THEORY_PER_MINUTE = 1000.0
COMPARE_SECONDS = 1.0
COMPARED = {
    "two runs": ("docs/examples/quickstart", "docs/examples/notebook"),
    "two sweeps of 56 members": ("reports/phase_diagram.sweep", "reports/phase_diagram.sweep"),
}
_WITHOUT_TENSORFLOW = (
    "import sys; sys.modules['tensorflow'] = None\nfrom gradscope.cli.main import main\nmain()\n"
)
"""An import of TensorFlow fails in this process."""


def measure_members(way: str, count: int, steps: int = STEPS) -> dict[str, list[float]]:
    """Processor seconds and memory in MiB after each of `count` members, from the start on."""
    seconds: list[float] = []
    memory: list[float] = []

    def after() -> None:
        seconds.append(time.process_time())
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        memory.append(pages * resource.getpagesize() / 2**20)

    from gradscope.runner.runtime import import_tensorflow

    with import_tensorflow.without_optional_packages():
        import keras  # noqa: F401
    if way == "fit":
        _fit(count, after)
    else:
        _measure(count, steps, after)
    return {"seconds": seconds, "memory": memory}


def _measure(count: int, steps: int, after: Callable[[], None]) -> None:
    """Measure `count` members as a worker of a sweep does."""
    from gradscope.runner.network.graph_key import graph_key
    from gradscope.runner.process.member_loop import MemberLoop
    from gradscope.runner.runtime import device
    from gradscope.workflows.sweep.jobs import Job, measured_result

    device.set_threads(1)
    with device.settings():
        loop = MemberLoop()
        for number in range(count):
            config = member_config(number, steps)
            job = Job(str(number), config.to_dict(), "trained", graph_key(config), "")
            result = measured_result(job, lambda c, at_init: loop.measure(c, at_init=at_init))
            assert result.record
            after()


def member_config(number: int, steps: int) -> Any:
    """Member `number`: one of eight scales of the initializer, and a seed."""
    from gradscope.workflows.measuring.inputs import load_config

    return load_config(member_document(number, steps))


def member_document(number: int, steps: int) -> dict[str, Any]:
    """The config of member `number` as a file holds it."""
    return {
        "name": f"member{number}",
        "model": {
            "depth": DEPTH,
            "width": WIDTH,
            "activation": "tanh",
            "initializer": {"name": "variance_scaling", "scale": _scale(number)},
        },
        "data": "fashion_mini",
        "training": {
            "steps": steps,
            "batch_size": BATCH,
            "probe_samples": PROBE if steps == STEPS else 2 * BATCH,
        },
        "seed": number,
    }


def _scale(number: int) -> float:
    return 1.0 + 0.1 * (number % 8)


def _fit(count: int, after: Callable[[], None]) -> None:
    """Train `count` networks with `model.fit`, each after `clear_session`."""
    import keras

    from gradscope.datasets import loading
    from gradscope.runner.runtime import device

    device.set_threads(1)
    samples = loading.load("fashion_mini", {}, "standardize", BATCH)
    rows = STEPS * BATCH
    assert rows <= len(samples.x)
    x, y = samples.x[:rows], samples.y[:rows]
    for number in range(count):
        keras.backend.clear_session()
        keras.utils.set_random_seed(number)
        start = keras.initializers.VarianceScaling(_scale(number), seed=number)
        hidden = [
            keras.layers.Dense(WIDTH, "tanh", kernel_initializer=start.clone())
            for _ in range(DEPTH)
        ]
        output = keras.layers.Dense(10, "softmax")
        model = keras.Sequential([keras.layers.Flatten(), *hidden, output])
        model.compile(
            keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        model.fit(x, y, batch_size=BATCH, verbose=0)
        model.evaluate(samples.x_test, samples.y_test, batch_size=BATCH, verbose=0)
        after()


def run(options: Options, report: Reporter) -> list[dict[str, Any]]:
    """Measure the ways in turns, then the other parts."""
    parts = {
        "sw-members": _members,
        "sw-growth": _growth,
        "sw-theory": _theory,
        "sw-compare": _compare,
    }
    return [
        {"case": name} | noting_load(parts[name], options, report) for name in options.chosen(CASES)
    ]


def _members(options: Options, report: Reporter) -> dict[str, Any]:
    costs: dict[str, list[float]] = {way: [] for way in WAYS}
    rounds = min(MOST_ROUNDS, options.rounds)
    for number in range(rounds):
        for way in sorted(WAYS, reverse=bool(number % 2)):
            report(f"sweeps: {way}")
            arguments = {"way": way, "count": COUNTS[way]}
            seconds = call("benchmarks.sweeps:measure_members", arguments)["seconds"]
            costs[way].append(_cost_of_64(way, seconds))
    return {
        "rounds": rounds,
        "seconds": {way: timing.spread(each) for way, each in costs.items()},
        "gains": {way: timing.ratio(costs[way], costs["sweep"]) for way in GAINS},
    }


def _cost_of_64(way: str, seconds: Sequence[float]) -> float:
    """Processor seconds per member, start included, of a process that takes 64 (or just one)."""
    total = seconds[-1]
    if way == "fit":
        each = (seconds[-1] - seconds[1]) / (len(seconds) - 2)
        total += (MEMBERS - len(seconds)) * each
    return total / (1 if way == "process" else MEMBERS)


def _growth(options: Options, report: Reporter) -> dict[str, Any]:
    del options
    report(f"sweeps: {GROWTH_MEMBERS} short members in one worker")
    arguments = {"way": "sweep", "count": GROWTH_MEMBERS, "steps": GROWTH_STEPS}
    measured = call("benchmarks.sweeps:measure_members", arguments)
    seconds, memory = measured["seconds"], measured["memory"]
    return {
        "rounds": 1,
        "parts": [
            {
                "from": start + 1,
                "to": end,
                "seconds": (seconds[end - 1] - seconds[start - 1]) / (end - start),
                "memory_mib": memory[end - 1],
            }
            for start, end in PARTS
        ],
    }


def _theory(options: Options, report: Reporter) -> dict[str, Any]:
    rounds = min(MOST_ROUNDS, options.rounds)
    costs = []
    for _ in range(rounds):
        report("sweeps: theory alone")
        with tempfile.TemporaryDirectory(prefix="gradscope-bench-") as folder:
            command = [
                *(sys.executable, "-c", _WITHOUT_TENSORFLOW, "sweep"),
                *("configs/sweep/textbook.yaml", "--vary", THEORY_VARY, "--theory", "--quiet"),
                *("--output", f"{folder}/theory.sweep"),
            ]
            costs.append(_processor_seconds(command))
            kept = json.loads(Path(folder, "theory.sweep", "sweep.json").read_bytes())
            assert len(kept["rows"]) == THEORY_MEMBERS
    return {"rounds": rounds, "seconds": timing.spread(costs)}


def _compare(options: Options, report: Reporter) -> dict[str, Any]:
    rounds = min(7, options.rounds)
    costs: dict[str, list[float]] = {name: [] for name in COMPARED}
    for _ in range(rounds):
        for name, pair in COMPARED.items():
            report(f"sweeps: compare {name}")
            command = [sys.executable, "-c", _WITHOUT_TENSORFLOW, "compare", *pair]
            costs[name].append(_processor_seconds(command))
    return {
        "rounds": rounds,
        "seconds": {name: timing.spread(each) for name, each in costs.items()},
    }


def _processor_seconds(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, env=environment("cpu"), stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Show each part in a table of its own."""
    makers = {
        "sw-members": _members_table,
        "sw-growth": _growth_table,
        "sw-theory": _commands_table,
        "sw-compare": _commands_table,
    }
    return [makers[each["case"]](each) for each in results]


def _members_table(measured: dict[str, Any]) -> Table:
    title = f"A member of a sweep of {MEMBERS}: {DEPTH} layers of {WIDTH}, {STEPS} steps"
    table = Table(title, ("way", "CPU seconds per member", "times the sweep's", "aimed at"))
    for way, words in WAYS.items():
        seconds = measured["seconds"][way]
        gain = GAINS.get(way)
        outcome = "-"
        if gain:
            met = "met" if measured["gains"][way]["median"] >= gain else "missed"
            outcome = f"{met}: {gain:g}"
        ratio = cell(measured["gains"][way]) if gain else "1"
        table.row(words, f"{seconds['median']:.2f}", ratio, outcome)
    return table


def _growth_table(measured: dict[str, Any]) -> Table:
    title = f"One worker over {GROWTH_MEMBERS} members of {GROWTH_STEPS} steps"
    table = Table(title, ("members", "CPU seconds per member", "over the first", "memory at end"))
    first = measured["parts"][0]
    for part in measured["parts"]:
        ratio = part["seconds"] / first["seconds"]
        growth = part["memory_mib"] / first["memory_mib"]
        seconds = f"{ratio:.2f}, {'met' if ratio <= FLAT else 'missed'}: {FLAT:g}"
        memory = f"{part['memory_mib']:.0f} MiB"
        if part is not first:
            memory += f" ({growth:.2f} x, {'met' if growth <= FLAT else 'missed'}: {FLAT:g})"
        else:
            seconds = "1"
        table.row(f"{part['from']} to {part['to']}", f"{part['seconds']:.3f}", seconds, memory)
    return table


def _commands_table(measured: dict[str, Any]) -> Table:
    columns = ("command, where TensorFlow cannot be imported", "CPU seconds", "aimed at")
    if measured["case"] == "sw-theory":
        table = Table("A sweep by theory alone, pictures and page included", columns)
        seconds = measured["seconds"]["median"]
        rate = THEORY_MEMBERS / seconds * 60
        met = "met" if rate >= THEORY_PER_MINUTE else "missed"
        table.row(
            f"`gradscope sweep --theory`, {THEORY_MEMBERS:,} members",
            f"{seconds:.1f}: {rate:,.0f} members a minute",
            f"{met}: {THEORY_PER_MINUTE:,.0f} a minute",
        )
        return table
    table = Table("Comparing what is on disk", columns)
    for name, seconds in measured["seconds"].items():
        met = "met" if seconds["median"] < COMPARE_SECONDS else "missed"
        shown = f"{seconds['median']:.2f} ({seconds['low']:.2f}-{seconds['high']:.2f})"
        table.row(f"`gradscope compare`, {name}", shown, f"{met}: {COMPARE_SECONDS:g}")
    return table
