"""``python -m benchmarks.sweeps``: members of a sweep per second of CPU, beside two other ways.

Three ways to measure or train the same networks (10 layers of 100 units, 100 steps, a probe set of
200 samples), each in processes of its own with one thread, in turn in each round:

- ``sweep``: one worker of a sweep takes 64 members: measured, judged, with a record each;
- ``process``: one such worker process for each member;
- ``fit``: one process, ``model.fit`` and ``keras.backend.clear_session()`` for each member; nothing
  is measured.

The figures are CPU seconds of the processes, start included, so that a busy machine changes them
less than wall time. ``flat`` takes 500 short members in one worker, for cost and memory per member.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "sweeps.json"
ROUNDS = 3
MEMBERS = {"sweep": 64, "process": 2, "fit": 8}
DEPTH, WIDTH, STEPS, BATCH, PROBE = 10, 100, 100, 32, 200
FLAT_MEMBERS, FLAT_STEPS = 500, 10
ENDS = (16, 64, 256, FLAT_MEMBERS)
TARGETS = {"process": 8.0, "fit": 3.0}


def _config(number: int, steps: int, probe: int) -> Any:
    """Member `number`: eight initializers' scales, and a seed."""
    from gradscope.workflows.inputs import load_config

    return load_config(
        {
            "name": f"member{number}",
            "model": {
                "depth": DEPTH,
                "width": WIDTH,
                "activation": "tanh",
                "initializer": {"name": "variance_scaling", "scale": 1.0 + 0.1 * (number % 8)},
            },
            "data": "fashion_mini",
            "training": {"steps": steps, "batch_size": BATCH, "probe_samples": probe},
            "seed": number,
        }
    )


def _measure(count: int, steps: int, probe: int, after: Callable[[int], None]) -> None:
    """What a worker of a sweep does with `count` members; `after` is called after each."""
    from gradscope.runner.network.graph_key import graph_key
    from gradscope.runner.process.member_loop import MemberLoop
    from gradscope.runner.runtime import device
    from gradscope.workflows.sweep.jobs import Job, measured_result

    device.set_threads(1)
    with device.settings():
        loop = MemberLoop()
        for number in range(count):
            config = _config(number, steps, probe)
            job = Job(str(number), config.to_dict(), "trained", graph_key(config), "")
            result = measured_result(job, lambda c, at_init: loop.measure(c, at_init=at_init))
            assert result.record
            after(number)


def _fit(count: int) -> None:
    """Train `count` networks with `model.fit`, each after `clear_session`."""
    import keras

    from gradscope.datasets import loading
    from gradscope.runner.runtime import device

    device.set_threads(1)
    samples = loading.load("fashion_mini", {}, "standardize", BATCH)
    for number in range(count):
        keras.backend.clear_session()
        keras.utils.set_random_seed(number)
        start = keras.initializers.VarianceScaling(1.0 + 0.1 * (number % 8), seed=number)
        hidden = [
            keras.layers.Dense(WIDTH, "tanh", kernel_initializer=start.clone())
            for _ in range(DEPTH)
        ]
        output = keras.layers.Dense(10, "softmax")
        model = keras.Sequential([keras.layers.Flatten(), *hidden, output])
        model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", ["accuracy"])
        rows = STEPS * BATCH
        x, y = samples.x, samples.y
        epochs, rest = divmod(rows, len(x) - len(x) % BATCH)
        assert not epochs
        assert rest == rows
        model.fit(x[:rows], y[:rows], batch_size=BATCH, epochs=1, verbose=0)
        model.evaluate(samples.x_test, samples.y_test, batch_size=BATCH, verbose=0)


def _child(way: str, count: int) -> None:
    """Run one way in this process, and print what it took."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    seconds: list[float] = []
    memory: list[int] = []

    def after(number: int) -> None:
        del number
        seconds.append(time.process_time())
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        memory.append(pages * resource.getpagesize())

    from gradscope.runner.runtime import import_tensorflow

    with import_tensorflow.without_optional_packages():
        import keras  # noqa: F401
    if way == "fit":
        _fit(count)
    elif way == "flat":
        _measure(count, FLAT_STEPS, 2 * BATCH, after)
    else:
        _measure(count, STEPS, PROBE, after)
    total = time.process_time()
    print(json.dumps({"total": total, "seconds": seconds, "memory": memory}))


def _run(way: str, count: int) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.sweeps", way, str(count)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Measure all rounds, and write ``benchmarks/results/sweeps.json``."""
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        costs = {"sweep": _run("sweep", MEMBERS["sweep"])["total"] / MEMBERS["sweep"]}
        alone = [_run("process", 1)["total"] for _ in range(MEMBERS["process"])]
        costs["process"] = statistics.fmean(alone)
        costs["fit"] = _run("fit", MEMBERS["fit"])["total"] / MEMBERS["fit"]
        rounds.append(costs)
        print(costs, file=sys.stderr)
    flat = _run("flat", FLAT_MEMBERS)
    RESULTS.write_text(json.dumps({"rounds": rounds, "flat": flat}) + "\n", encoding="utf-8")
    print(table())


def table() -> str:
    """The tables of ``benchmarks/README.md``, from the kept results."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    rounds, flat = kept["rounds"], kept["flat"]
    lines = [
        "| way | CPU seconds per member (each round) | sweep is faster by | target |",
        "|---|---:|---:|---:|",
    ]
    for way in ("sweep", "process", "fit"):
        costs = [one[way] for one in rounds]
        shown = ", ".join(f"{cost:.2f}" for cost in costs)
        gain = statistics.median(one[way] / one["sweep"] for one in rounds)
        target = f"{TARGETS[way]:g} x" if way in TARGETS else ""
        lines.append(f"| {way} | {shown} | {f'{gain:.1f} x' if target else ''} | {target} |")
    lines += [
        "",
        "| members | CPU seconds per member | memory at the end, MiB |",
        "|---|---:|---:|",
    ]
    ends = [end for end in ENDS if end <= len(flat["seconds"])]
    for start, end in zip([2, *ends[:-1]], ends, strict=True):
        cost = (flat["seconds"][end - 1] - flat["seconds"][start - 1]) / (end - start)
        lines.append(
            f"| {start + 1} to {end} | {cost:.3f} | {flat['memory'][end - 1] / 2**20:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _child(sys.argv[1], int(sys.argv[2]))
    else:
        main()
