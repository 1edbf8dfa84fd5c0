"""Check gradscope on a machine with an NVIDIA GPU, from a clone: ``python scripts/gpu_check.py``.

It takes at most 8 minutes. Where gradscope cannot be imported with TensorFlow, it is installed
first, into a folder ``.gpu_check`` of the clone, with the extra ``cuda``. Without a GPU all runs on
the CPU, and the first line says so: then it shows that the script works, and nothing about GPUs.

Each part runs in a process of its own. What one part cannot do is written down as its error, and
the others go on. The results are in ``gpu_check.json``; the table is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 480.0
"""For everything, its own install included."""

CONFIGS = ("quickstart", "notebook", "relu_glorot_30", "selu_lecun_100", "dying_relu")
STEP_CASES = ("cb-10x100", "cb-cnn", "cb-transformer", "cb-resnet50v2")
TOLERANCES = {"float32": 1e-3, "tf32": 3e-2}
"""Relative, of the first step's figures against the CPU's. Float32 sums in another order differ by
about 1e-6 a layer, which ten layers of ReLU raise; TF32 has 10 bits of mantissa, 1e-3 a product."""


def main() -> int:
    """Run all parts; exit code 1 where a check failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small case of each part")
    parser.add_argument("--json", type=Path, default=Path("gpu_check.json"))
    parser.add_argument("--part", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        return _be_a_part(asked.part)
    deadline = time.monotonic() + SECONDS
    python = _installed(deadline)
    device = _part(python, {"name": "device"}, deadline)
    gpu = bool(device.get("gpus"))
    if gpu:
        print(f"On {', '.join(device['gpus'])}.")
    else:
        print("No GPU is visible to TensorFlow: everything runs on the CPU, to test this script.")
    results = [device]
    for part in _parts(quick=asked.quick):
        for each in ({**part, "device": name} for name in _devices(part, gpu=gpu)):
            results.append(_part(python, each, deadline))
            asked.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    rows = [*_compared(results), *_alone(results)]
    asked.json.write_text(
        json.dumps({"gpu": gpu, "parts": results, "checks": rows}, indent=1) + "\n", "utf-8"
    )
    for row in rows:
        print(f"{row['outcome']:7}  {row['check']}: {row['seen']}")
    return int(any(row["outcome"] == "failed" for row in rows))


def _parts(*, quick: bool) -> list[dict[str, Any]]:
    configs, steps = (CONFIGS[:1], STEP_CASES[:1]) if quick else (CONFIGS, STEP_CASES)
    figures = [{"name": "figures", "tf32": on} for on in (False, True)]
    return [
        *({"name": "config", "config": name} for name in configs),
        *figures,
        *({"name": "bits", "policy": policy} for policy in ("float32", "mixed_float16")),
        *({"name": "step", "case": case} for case in steps),
    ]


def _devices(part: dict[str, Any], *, gpu: bool) -> tuple[str, ...]:
    if not gpu:
        return ("cpu",)
    return ("cpu", "gpu") if part["name"] in ("config", "figures") else ("gpu",)


def _installed(deadline: float) -> str:
    """A Python that has gradscope and TensorFlow."""
    if all(importlib.util.find_spec(name) for name in ("tensorflow", "keras", "click", "rich")):
        return sys.executable
    folder = ROOT / ".gpu_check"
    python = folder / "bin" / "python"
    if not python.exists():
        print("Installing into .gpu_check ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    command = [str(python), "-m", "pip", "install", "--quiet", ".[cuda]"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=deadline - time.monotonic())
    return str(python)


def _part(python: str, part: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Run one part in a new process; give what it found, or its error."""
    left = deadline - time.monotonic()
    if left < 10:
        return {**part, "error": "not run: the 8 minutes were over"}
    hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if part.get("device") == "cpu" else {}
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)} | hidden
    command = [python, str(Path(__file__)), "--part", json.dumps(part)]
    started = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=left,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {**part, "error": "ended: the 8 minutes were over"}
    seconds = round(time.monotonic() - started, 1)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        tail = " | ".join(done.stderr.strip().splitlines()[-3:])
        return {**part, "error": tail or "no result", "seconds": seconds}
    return {**part, **json.loads(lines[-1]), "seconds": seconds}


def _be_a_part(text: str) -> int:
    part = json.loads(text)
    result = _FUNCTIONS[part["name"]](part)
    print(json.dumps(result), flush=True)
    return 0


def _device(part: dict[str, Any]) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    del part
    details = [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "gpus": [str(each.get("device_name", "GPU")) for each in details],
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def _config(part: dict[str, Any]) -> dict[str, Any]:
    """The verdict of a shipped config."""
    from gradscope import api

    config = api.load_config(
        ROOT / "configs" / f"{part['config']}.yaml",
        ["training.steps=60", "training.probe_samples=200"],
    )
    diagnosis = api.analyze(api.run(config)).diagnosis
    return {"verdict": str(diagnosis.verdict.value), "headline": diagnosis.headline}


def _figures(part: dict[str, Any]) -> dict[str, Any]:
    """The figures of the first measured step of a callback."""
    import numpy as np
    import tensorflow as tf

    import gradscope
    from benchmarks import callback_step

    tf.config.experimental.enable_tensor_float_32_execution(part["tf32"])
    model, x, y, batch = callback_step.model_and_data("cb-10x100", 2)
    flow = gradscope.GradientFlow(every=1)
    model.fit(x, y, batch_size=batch, callbacks=[flow], verbose=0, shuffle=False)
    record = flow.record
    names = ("preactivation_second_moment", "delta_second_moment", "kernel_gradient_second_moment")
    row = np.flatnonzero(np.asarray(record.steps) == 1)[0]
    return {"first_step": {name: record.series[name][row].tolist() for name in names}}


def _bits(part: dict[str, Any]) -> dict[str, Any]:
    """Whether `fit` gives the same bits with the callback, without it, and without it once more."""
    import keras
    import tensorflow as tf

    import gradscope
    from benchmarks import callback_step

    keras.mixed_precision.set_global_policy(part["policy"])
    tf.config.experimental.enable_op_determinism()
    digests, peaks = [], []
    for every in (0, 1, 0):
        _reset_memory()
        model, x, y, batch = callback_step.model_and_data("cb-cnn", 8)
        callbacks = [gradscope.GradientFlow(every=every)] if every else []
        model.fit(x, y, batch_size=batch, callbacks=callbacks, verbose=0, shuffle=False)
        digests.append(_digest(model))
        peaks.append(_peak_memory())
    without, measured, again = digests
    return {
        "measured_is_plain": measured == without,
        "plain_is_plain": again == without,
        "peak_mib": {"without": peaks[2], "with": peaks[1]},
    }


def _digest(model: Any) -> str:
    import numpy as np

    digest = hashlib.sha256()
    for variable in [*model.variables, *model.optimizer.variables]:
        digest.update(np.asarray(variable).tobytes())
    return digest.hexdigest()


def _reset_memory() -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.reset_memory_stats("GPU:0")


def _peak_memory() -> float | None:
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    return float(round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20, 1))


def _step(part: dict[str, Any]) -> dict[str, Any]:
    """A measured step over a plain one: wall time on a GPU, processor time on a CPU."""
    import statistics

    from benchmarks import callback_step

    _reset_memory()
    times = callback_step.measure_steps(part["case"], 4, part["device"])
    plain, measured = (statistics.median(times[name]) for name in ("plain", "measured"))
    return {
        "plain_ms": round(plain, 3),
        "measured_ms": round(measured, 3),
        "ratio": round(measured / plain, 2),
        "peak_mib": _peak_memory(),
    }


_FUNCTIONS = {
    "device": _device,
    "config": _config,
    "figures": _figures,
    "bits": _bits,
    "step": _step,
}


def _compared(results: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What a GPU gave against what the CPU gave."""
    rows = []
    done = [each for each in results if "error" not in each]
    cpu = {_key(each): each for each in done if each.get("device") == "cpu"}
    for each in done:
        other = cpu.get(_key(each))
        if each.get("device") != "gpu" or other is None:
            continue
        if each["name"] == "config":
            same = each["verdict"] == other["verdict"]
            seen = f"{each['verdict']} on the GPU, {other['verdict']} on the CPU"
            rows.append(_row(same, f"verdict of {each['config']}", seen))
        else:
            kind = "tf32" if each["tf32"] else "float32"
            worst = largest_difference(each["first_step"], other["first_step"])
            seen = f"largest relative difference {worst:.2g}, allowed {TOLERANCES[kind]:g}"
            rows.append(_row(worst <= TOLERANCES[kind], f"figures, {kind}, against the CPU", seen))
    return rows


def _key(part: dict[str, Any]) -> tuple[Any, ...]:
    return part["name"], part.get("config"), part.get("tf32")


def largest_difference(one: dict[str, list[float]], other: dict[str, list[float]]) -> float:
    """The largest relative difference of figures by name; infinite where only one is a number."""
    worst = 0.0
    for name, values in other.items():
        for a, b in zip(one[name], values, strict=True):
            if math.isnan(a) != math.isnan(b):
                return float("inf")
            if not math.isnan(a) and a != b:
                worst = max(worst, abs(a - b) / max(abs(a), abs(b)))
    return worst


def _alone(results: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What is judged or stated of one part by itself."""
    rows = []
    for each in results:
        title = " ".join(str(each[k]) for k in ("name", "config", "policy", "case") if k in each)
        title += f" ({each['device']})" if "device" in each else ""
        if "error" in each:
            rows.append(_row(False, title, each["error"]))
        elif each["name"] == "bits":
            seen = f"the same with the callback: {each['measured_is_plain']}; memory "
            seen += f"{each['peak_mib']} MiB"
            row = _row(each["measured_is_plain"], title, seen)
            if not each["plain_is_plain"]:  # then the bits say nothing about the callback
                row |= {"outcome": "stated", "seen": f"two plain fits differ; {seen}"}
            rows.append(row)
        elif each["name"] == "step":
            seen = f"{each['measured_ms']} ms over {each['plain_ms']} ms: {each['ratio']}"
            rows.append({"outcome": "stated", "check": title, "seen": seen})
        elif each["name"] == "config":
            rows.append({"outcome": "stated", "check": title, "seen": each["verdict"]})
    return rows


def _row(passed: bool, check: str, seen: str) -> dict[str, str]:
    return {"outcome": "passed" if passed else "failed", "check": check, "seen": seen}


if __name__ == "__main__":
    sys.exit(main())
