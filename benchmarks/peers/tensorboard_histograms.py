"""Keras's TensorBoard callback, which writes histograms of the weights once per epoch."""

from __future__ import annotations

import tempfile
from typing import Any

import keras
import numpy as np

from benchmarks import timing
from benchmarks.cases import CASES
from benchmarks.loops import restoring
from benchmarks.timing import Contender, Cost
from gradscope.runner.network import workload
from gradscope.runner.runtime import device as devices

EPOCHS = 3


def measure(case: str, rounds: int, seconds: float, device: str) -> dict[str, Any]:
    """Time `fit` with and without the callback; the difference is `EPOCHS` sets of histograms.

    ``with`` is what a step would cost if each were followed by one set.
    """
    config = CASES[case].config(device)
    devices.set_threads(config.threads)
    work = workload.from_config(config)
    feed, model = work.feed.iterate(), work.model
    model.compile(optimizer=work.optimizer, loss="sparse_categorical_crossentropy")
    work.optimizer.build(model.trainable_variables)
    put_back = restoring([*model.variables, *work.optimizer.variables])
    steps = 5 if seconds < 0.1 else 20
    batches = [next(feed) for _ in range(steps)]
    x, y = (np.concatenate([batch[part] for batch in batches]) for part in (0, 1))

    with tempfile.TemporaryDirectory(prefix="gradscope-bench-") as folder:

        def fit(*callbacks: Any) -> int:
            model.fit(x, y, config.training.batch_size, EPOCHS, verbose=0, callbacks=callbacks)
            return EPOCHS * steps

        def with_histograms() -> int:
            return fit(keras.callbacks.TensorBoard(folder, histogram_freq=1, write_graph=False))

        contenders = [
            Contender("plain", fit, put_back),
            Contender("with", with_histograms, put_back),
        ]
        for contender in contenders:
            timing.once(contender)
        costs = timing.interleave(contenders, rounds)
    pairs = zip(costs["plain"], costs["with"], strict=True)
    costs["with"] = [
        Cost(a.cpu + steps * (b.cpu - a.cpu), a.wall + steps * (b.wall - a.wall)) for a, b in pairs
    ]
    return {
        "contenders": timing.summary(costs),
        "ratio": timing.ratio_of(costs, "with", "plain", device),
    }
