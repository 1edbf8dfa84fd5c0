"""``python -m benchmarks.long_runs``: memory, time and files of records of many steps.

Synthetic records need no TensorFlow: random figures take the way of a run from the builder to the
report. ``--real`` trains networks that are large in one direction and watches both processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.isolated import call, environment
from benchmarks.memory import peak_mib
from benchmarks.tables import Table
from gradscope.reporters.layout.numbers import number

CASES = ((50, 1_000), (440, 1_000), (50, 10_000), (50, 100_000), (4, 100_000))
"""Layers and steps."""

REAL = {
    "100,000 steps": {
        "model": {"hidden": [16, 16, 16], "activation": "tanh"},
        "data": {"name": "moons"},
        "training": {"steps": 100_000, "jit": "on"},
    },
    "500 layers": {  # 1,004 Keras layers
        "model": {"depth": 500, "width": 32},
        "data": {"name": "gaussian"},
        "training": {"steps": 20},
    },
    "900 layers": {  # 1,804 Keras layers; gradscope refuses more than 2,000
        "model": {"depth": 900, "width": 8, "activation": "selu"},
        "data": {"name": "gaussian"},
        "training": {"steps": 3},
    },
    "8,192 units": {
        "model": {"depth": 2, "width": 8192},
        "data": {"name": "gaussian"},
        "training": {"steps": 20},
    },
}
"""Configs of networks that are trained."""

_PEAKS = ("start_mib", "collected_mib", "written_mib", "analyzed_mib", "peak_mib")
_SIZES = ("record_mb", "json_mb", "page_mb")
_TIMES = ("record_s", "analysis_s", "report_s")


def measure(layers: int, steps: int) -> dict[str, float]:
    """Make a record of random figures and the whole report of it, in the process that calls this.

    The peaks are those of the process after each part, in MiB.
    """
    from gradscope.record import storage
    from gradscope.reporters.run import folder
    from gradscope.workflows.analysis import analyze

    folder.prepare_pages()
    with tempfile.TemporaryDirectory() as name:
        target = Path(name)
        figures = {"start_mib": peak_mib()}
        started = time.perf_counter()
        record = _record(layers, steps)
        figures["collected_mib"] = peak_mib()
        path = folder.write_record(record, target)
        figures |= {"record_s": time.perf_counter() - started, "written_mib": peak_mib()}
        started = time.perf_counter()
        report = analyze(storage.load(path))
        figures |= {"analysis_s": time.perf_counter() - started, "analyzed_mib": peak_mib()}
        started = time.perf_counter()
        result = folder.write_result(report, target)
        folder.write_pages(report, target)
        figures |= {"report_s": time.perf_counter() - started, "peak_mib": peak_mib()}
        figures |= {"record_mb": path.stat().st_size / 1e6, "json_mb": result.stat().st_size / 1e6}
        figures["page_mb"] = (target / folder.PAGE).stat().st_size / 1e6
    return figures


def _record(layers: int, steps: int) -> Any:
    """A record as a run collects it: random figures, and a loss that falls."""
    from gradscope.config.loading import load_config
    from gradscope.record import STATISTICS, DataSummary, Environment, LayerInfo, OutcomeStatus
    from gradscope.record.builder import Beginning, RecordBuilder
    from gradscope.record.layers import Role, Trait

    config = load_config({"name": "long", "model": {"depth": layers - 1, "width": 100}})
    traits = (Trait.FULLY_CONNECTED, Trait.LINEAR_KERNEL)
    facts: dict[str, Any] = {"initializer": "he_normal", "traits": traits, "parameters": 10_000}
    infos = tuple(
        LayerInfo(
            *(i, f"hidden_{i + 1}", "Dense", Role.OUTPUT if i == layers - 1 else Role.HIDDEN),
            *(100, 100, 100, "relu"),
            **facts,
        )
        for i in range(layers)
    )
    words: dict[str, Any] = dict.fromkeys(
        ("gradscope", "python", "platform", "numpy", "tensorflow", "keras", "device"), "synthetic"
    )
    flags: dict[str, Any] = dict.fromkeys(("jit", "grappler", "onednn", "op_determinism"), False)
    hashes: dict[str, Any] = {
        "config_hash": "",
        "data_hash": "",
        "cpu_flags": (),
        "dtype": "float32",
    }
    builder = RecordBuilder()
    builder.begin(
        Beginning(
            name="long",
            layers=infos,
            environment=Environment(**words, **flags, **hashes, threads=1, seed=0),
            data=DataSummary("random", 1, 0, (100,), "classes", 10, "none", 0.0, 1.0, -1.0, 1.0),
            config=config.to_dict(),
            batch_size=32,
            probe_samples=1000,
            steps_requested=steps,
        )
    )
    random = np.random.default_rng(0)
    counts = [name.startswith("nonfinite") for name in STATISTICS]
    for step in range(1, steps + 1):
        figures = random.lognormal(-5.0, 0.3, (len(STATISTICS), layers))
        figures[counts] = 0.0
        loss = 0.3 + 2.0 * np.exp(-step / 300) + 0.05 * random.normal()
        builder.step(step, figures, (loss, 0.5, 0.01))
        if step % max(1, steps // 10) == 0:
            builder.probe(step, random.uniform(0, 0.1, layers))
    return builder.build(OutcomeStatus.COMPLETE, f"{steps} steps", 1.0)


def real(config: Mapping[str, Any]) -> dict[str, float]:
    """Run the command on a network, and give the peaks of both of its processes.

    Raises `click.ClickException` with what the command says where it does not exit with 0.
    """
    with tempfile.TemporaryDirectory() as name:
        text = json.dumps({"name": "long", **config})
        (Path(name) / "long.yaml").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "gradscope", "run", "long.yaml", "-q"]
        started = time.perf_counter()
        errors = Path(name) / "errors.txt"
        with errors.open("w", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                command, cwd=name, stdout=subprocess.DEVNULL, stderr=stderr, env=environment("cpu")
            )
        peaks: dict[int, float] = {}
        while process.poll() is None:
            for identity in (process.pid, *_children(process.pid)):
                peaks[identity] = _peak_of(identity) or peaks.get(identity, 0.0)
            time.sleep(0.2)
        if process.returncode:
            raise click.ClickException(errors.read_text(encoding="utf-8"))
        figures = {"seconds": time.perf_counter() - started, "parent_mib": peaks.pop(process.pid)}
        figures["worker_mib"] = max(peaks.values(), default=0.0)
        for key, file in (("record_mb", "record.npz"), ("json_mb", "result.json")):
            figures[key] = (Path(name) / "reports" / "long" / file).stat().st_size / 1e6
    return figures


def _children(identity: int) -> list[int]:
    try:
        text = Path(f"/proc/{identity}/task/{identity}/children").read_text(encoding="utf-8")
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _peak_of(identity: int) -> float:
    """The peak of another process in MiB; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{identity}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def real_table(results: Mapping[str, Mapping[str, float]]) -> Table:
    """One row per network that was trained."""
    columns = ("time", "peak of the command", "peak of its worker", "record.npz", "result.json")
    shown = Table("Networks", ("network", *columns))
    for name, each in results.items():
        peaks = (f"{each[key]:.0f} MiB" for key in ("parent_mib", "worker_mib"))
        sizes = (f"{number(each[key])} MB" for key in ("record_mb", "json_mb"))
        shown.row(name, f"{each['seconds']:.0f} s", *peaks, *sizes)
    return shown


def table(results: list[dict[str, Any]]) -> Table:
    """One row per synthetic record."""
    peaks = ("at the start", "collected", "written", "analyzed", "reported")
    files = ("record.npz", "result.json", "report.html")
    times = ("collect and write", "analyze", "report")
    shown = Table("Synthetic records", ("layers x steps", *peaks, *files, *times))
    for each in results:
        shown.row(
            f"{each['layers']} x {each['steps']:,}",
            *(f"{each[key]:.0f} MiB" for key in _PEAKS),
            *(f"{number(each[key])} MB" for key in _SIZES),
            *(f"{each[key]:.1f} s" for key in _TIMES),
        )
    return shown


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--real", "with_real", is_flag=True, help="Train networks, and nothing else.")
@click.option("--most-steps", type=int, default=10**9, help="Leave longer records out.")
@click.option("--only", multiple=True, type=click.Choice(list(REAL)), help="With --real.")
def main(*, with_real: bool, most_steps: int, only: tuple[str, ...]) -> None:
    """Measure, and print a table for the README."""
    if with_real:
        measured = {name: real(REAL[name]) for name in only or REAL}
        click.echo(real_table(measured).markdown())
        return
    results = []
    for layers, steps in CASES:
        if steps <= most_steps:
            arguments = {"layers": layers, "steps": steps}
            results.append(arguments | call("benchmarks.long_runs:measure", arguments))
    click.echo(table(results).markdown())


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.long_runs")
