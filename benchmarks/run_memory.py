"""How much memory `gradscope.run` takes over `model.fit` of the same model, batch and steps."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from benchmarks.isolated import call
from benchmarks.memory import peak_mib
from benchmarks.options import Options, Reporter, noting_load
from benchmarks.tables import Table, cell
from benchmarks.vision_models import PIXELS

CASES = {
    "conv4": "four convolutions",
    "vit": "vision transformer",
    "unet": "U-Net",
    "resnet50v2": "ResNet50V2",
    "convnext_tiny": "ConvNeXtTiny",
    "densenet121": "DenseNet121",
}
LIMIT = 1.5
"""What the peak of `run` may be over that of `fit`."""

WAYS = ("fit", "callback", "run")
BATCH, STEPS, SAMPLES = 16, 12, 1000
PROBE_SAMPLES = 100
"""Seven pieces of a batch: with more of them a look takes longer, and no more memory."""

MOST_ROUNDS = 2
CEILING_MIB = 6000.0
"""A process that takes more is ended, so that the benchmark does not fill a shared machine."""

_PAUSE_SECONDS = 0.1


def measure(case: str, way: str, device: str = "cpu") -> dict[str, float]:
    """Train a model by `fit`, in the callback, or by `run`; give peak, seconds and last loss."""
    import keras

    from benchmarks import vision_models

    del device  # isolated.call reads it
    threading.Thread(target=_watch_memory, daemon=True).start()
    keras.utils.set_random_seed(0)
    x, classes = vision_models.images(SAMPLES)
    y = vision_models.targets(case, x, classes)
    model = vision_models.MODELS[case]()
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    started = time.perf_counter()
    loss = _trained(way, model, x, y)
    return {"peak_mib": peak_mib(), "seconds": time.perf_counter() - started, "loss": loss}


def _trained(way: str, model: Any, x: Any, y: Any) -> float:
    import gradscope

    if way == "run":
        training = {"steps": STEPS, "batch_size": BATCH, "probe_samples": PROBE_SAMPLES}
        record = gradscope.run({"training": training}, model=model, data=(x, y))
        return float(record.scalars["loss"][-1])
    callbacks = [gradscope.GradientFlow(every=STEPS)] if way == "callback" else []
    fed = slice(STEPS * BATCH)
    history = model.fit(x[fed], y[fed], batch_size=BATCH, callbacks=callbacks, verbose=0)
    return float(history.history["loss"][-1])


def _watch_memory() -> None:
    while peak_mib() < CEILING_MIB:
        time.sleep(_PAUSE_SECONDS)
    os.write(2, f"ended at {CEILING_MIB:.0f} MiB\n".encode())
    os._exit(1)


def run(options: Options, report: Reporter) -> list[dict[str, Any]]:
    """Measure each model in turns, a process each."""
    return [noting_load(_case, name, options, report) for name in options.chosen(CASES)]


def _case(case: str, options: Options, report: Reporter) -> dict[str, Any]:
    from benchmarks import timing

    peaks: dict[str, list[float]] = {way: [] for way in WAYS}
    rounds = min(MOST_ROUNDS, options.rounds)
    for _ in range(rounds):
        for way, each in peaks.items():
            report(f"run_memory: {CASES[case]}, {way}")
            arguments = {"case": case, "way": way, "device": options.device}
            each.append(call("benchmarks.run_memory:measure", arguments)["peak_mib"])
    return {
        "case": case,
        "rounds": rounds,
        "peaks_mib": {way: timing.spread(each) for way, each in peaks.items()},
        "ratios": {way: timing.ratio(peaks[way], peaks["fit"]) for way in ("callback", "run")},
    }


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Show the peaks side by side."""
    title = f"Peak resident memory at {PIXELS} x {PIXELS} pixels, batch {BATCH}, {STEPS} steps"
    columns = ("model", *(f"`{way}`" for way in WAYS), "`run` / `fit`", "`callback` / `fit`")
    table = Table(title, columns)
    for each in results:
        peaks, ratios = each["peaks_mib"], each["ratios"]
        table.row(
            CASES[each["case"]],
            *(f"{peaks[way]['median']:.0f} MiB" for way in WAYS),
            cell(ratios["run"], LIMIT),
            cell(ratios["callback"]),
        )
    return [table]
