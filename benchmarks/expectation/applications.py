"""Nets of keras.applications: is every weight drawn, what it costs, what the ledger says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from benchmarks.memory import peak_mib

NETS = ("MobileNetV2", "ResNet50V2", "EfficientNetB0", "DenseNet121", "ConvNeXtTiny")
PIXELS, CLASSES, BATCH, DRAWS = 96, 10, 8, 32


@dataclass(frozen=True)
class Application:
    """One net: a run of one step with `DRAWS` draws, in a process of its own.

    `drawn` of `weights` variables are drawn again (the others are constant), `off` is the number
    of layers whose own weights are called off.
    """

    name: str
    parameters: int
    rows: int
    weights: int
    drawn: int
    off: int
    draws_seconds: float
    seconds: float
    peak_gib: float
    sentences: tuple[str, ...]


def measure(name: str) -> dict[str, Any]:
    """Run one step of the net with draws, in this process."""
    import keras
    import numpy as np

    from gradscope import api
    from gradscope.analyzer.theory import own_weights
    from gradscope.record import Role
    from gradscope.reporters.run.expected_start import graph_sentences

    rng = np.random.default_rng(0)
    x = rng.normal(size=(8 * BATCH, PIXELS, PIXELS, 3)).astype("float32")
    y = rng.integers(0, CLASSES, len(x))

    def build() -> Any:
        make = getattr(keras.applications, name)
        model = make(weights=None, input_shape=(PIXELS, PIXELS, 3), classes=CLASSES)
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    started = time.perf_counter()
    training = {"steps": 1, "draws": DRAWS, "batch_size": BATCH, "probe_samples": 2 * BATCH}
    record = api.run({"training": training}, model=build, data=(x, y))
    seconds, draws = time.perf_counter() - started, record.draws
    assert draws is not None, [fault.crashed for fault in record.faults]
    return {
        "name": name,
        "parameters": sum(int(np.prod(weight.shape)) for weight in draws.weights),
        "rows": len(record.indices(Role.HIDDEN)),
        "weights": len(draws.weights),
        "drawn": sum(weight.drawn for weight in draws.weights),
        "off": len(own_weights.off_weights(record).names),
        "draws_seconds": draws.seconds,
        "seconds": seconds,
        "peak_gib": peak_mib() / 1024,
        "sentences": graph_sentences(record),
    }
