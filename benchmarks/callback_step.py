"""What `GradientFlow` costs inside `model.fit`: a measured step, the first batch, a whole fit."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import timing
from benchmarks.isolated import call
from benchmarks.options import Options, Reporter, noting_load
from benchmarks.tables import Table, cell

CASES = {
    "cb-10x100": "10 x 100 ReLU, SGD",
    "cb-bn": "the chapter's BN network",
    "cb-cnn": "small CNN",
    "cb-transformer": "pre-LN transformer",
    "cb-unet": "U-Net, 64 px",
    "cb-resnet50v2": "ResNet50V2, 64 px",
}
STEP_LIMIT, RESNET_LIMIT, FIRST_LIMIT, EVERY_LIMIT = 2.5, 2.3, 1.5, 1.05
EVERY, LONG_FIT = 50, 2000

_SIZES = {"cb-unet": (8, 4), "cb-resnet50v2": (8, 3)}
"""Batch size and steps per block, of the large cases."""


def model_and_data(case: str, steps: int) -> tuple[Any, Any, Any, int]:
    """A compiled model, inputs and targets for `steps` batches, and the batch size."""
    import keras
    import numpy as np

    from benchmarks import models, vision_models

    keras.utils.set_random_seed(0)
    batch = _SIZES.get(case, (32, 8))[0]
    random = np.random.default_rng(0)
    if case in _SIZES:
        x, classes = vision_models.images(min(steps, 32) * batch)
        name = case.removeprefix("cb-")
        y, model = vision_models.targets(name, x, classes), vision_models.MODELS[name]()
    else:
        x = random.normal(size=(steps * batch, 28, 28)).astype("float32")
        y = random.integers(0, 10, len(x))
        model = _SMALL[case]() if case in _SMALL else models.small_cnn()
    sgd = {"cb-10x100": 0.0, "cb-resnet50v2": 0.9}
    optimizer = (
        keras.optimizers.SGD(0.01, momentum=sgd[case]) if case in sgd else keras.optimizers.Adam()
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model, x, y, batch


def _dense() -> Any:
    import keras
    from keras import layers

    hidden = [layers.Dense(100, activation="relu") for _ in range(10)]
    return keras.Sequential(
        [keras.Input((28, 28)), layers.Flatten(), *hidden, layers.Dense(10, activation="softmax")]
    )


def _batch_norm() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dense(300, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(100, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _transformer() -> Any:
    from benchmarks import models

    return models.small_transformer()


_SMALL: dict[str, Callable[[], Any]] = {
    "cb-10x100": _dense,
    "cb-bn": _batch_norm,
    "cb-transformer": _transformer,
}


def measure_steps(case: str, blocks: int, device: str = "cpu") -> dict[str, Any]:
    """Milliseconds of measured and of plain steps of one fit, in blocks that take turns.

    Processor time, and wall time on a GPU. Steps that also count distributions are left out.
    """
    import keras

    import gradscope

    _one_thread(device)
    clock = time.perf_counter if device == "gpu" else time.process_time
    length = _SIZES.get(case, (32, 8))[1]
    settle = 4
    steps = settle + 2 * blocks * length
    model, x, y, batch = model_and_data(case, steps)
    first = settle + 1
    measured = {
        step
        for block in range(blocks)
        for step in range(first + 2 * block * length, first + (2 * block + 1) * length)
    }
    flow = gradscope.GradientFlow(steps={1, 2, *measured})
    costs: list[float] = []

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.started = clock()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            costs.append(1e3 * (clock() - self.started))

    callbacks = [Clock(), flow]
    while len(x) < steps * batch:
        x, y = _repeated(x), _repeated(y)
    fed = slice(steps * batch)
    model.fit(x[fed], y[fed], batch_size=batch, callbacks=callbacks, verbose=0, shuffle=False)
    looks = {1 << power for power in range(32)}
    row = 0
    above: list[list[float]] = [[] for _ in range(blocks)]
    below: list[list[float]] = [[] for _ in range(blocks)]
    for step, cost in enumerate(costs, 1):
        row += step in measured or step <= 2
        if step < first:
            continue
        block = (step - first) // (2 * length)
        if step not in measured:
            below[block].append(cost)
        elif row not in looks and step != steps:
            above[block].append(cost)
    pairs = [(a, b) for a, b in zip(above, below, strict=True) if a and b]
    return {
        "measured": [statistics.median(a) for a, _ in pairs],
        "plain": [statistics.median(b) for _, b in pairs],
    }


def _one_thread(device: str) -> None:
    """With two threads ResNet50V2 trains to other bits each time, without gradscope as well."""
    import tensorflow as tf

    if device == "cpu":
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def _repeated(array: Any) -> Any:
    import numpy as np

    return np.concatenate([array, array])


def measure_fit(case: str, every: int, steps: int, device: str = "cpu") -> dict[str, float]:
    """Processor seconds of the first batch and of the whole fit; `every` 0 is without callback."""
    import hashlib

    import keras
    import numpy as np

    import gradscope

    _one_thread(device)
    model, x, y, batch = model_and_data(case, steps)
    marks: list[float] = []

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            marks.append(time.process_time())

    callbacks = [gradscope.GradientFlow(every=every)] if every else []
    while len(x) < steps * batch:
        x, y = _repeated(x), _repeated(y)
    fed = slice(steps * batch)
    started = time.process_time()
    model.fit(
        x[fed], y[fed], batch_size=batch, callbacks=[*callbacks, Clock()], verbose=0, shuffle=False
    )
    ended = time.process_time()
    digest = hashlib.sha256()
    for variable in [*model.variables, *model.optimizer.variables]:
        digest.update(np.asarray(variable).tobytes())
    return {
        "first": marks[0] - started,
        "whole": ended - started,
        "bits": int(digest.hexdigest()[:12], 16),
    }


def run(options: Options, report: Reporter) -> list[dict[str, Any]]:
    """Measure each case, every fit in a process of its own."""
    return [noting_load(_case, name, options, report) for name in options.chosen(CASES)]


def _case(case: str, options: Options, report: Reporter) -> dict[str, Any]:
    rounds = min(3, options.rounds)
    device = options.device
    report(f"callback_step: {CASES[case]}, measured and plain steps")
    blocks = 4 if case in _SIZES else 12
    arguments = {"case": case, "blocks": blocks, "device": device}
    steps = call("benchmarks.callback_step:measure_steps", arguments)
    result: dict[str, Any] = {
        "case": case,
        "rounds": rounds,
        "plain_ms": timing.spread(steps["plain"]),
        "step": timing.ratio(steps["measured"], steps["plain"]),
    }
    # A fit of 2,000 steps of the large cases takes minutes: its first 100 steps are extrapolated.
    length = 12 if case in _SIZES else LONG_FIT
    fits: dict[int, list[dict[str, float]]] = {0: [], EVERY: []}
    for _ in range(rounds):
        for every, each in fits.items():
            report(f"callback_step: {CASES[case]}, " + (f"every={every}" if every else "without"))
            arguments = {"case": case, "every": every, "steps": length, "device": device}
            each.append(call("benchmarks.callback_step:measure_fit", arguments))
    result["first"] = timing.ratio(*([each["first"] for each in fits[k]] for k in (EVERY, 0)))
    result["bits_equal"] = len({each["bits"] for k in fits for each in fits[k]}) == 1
    if length == LONG_FIT:
        result["whole"] = timing.ratio(*([e["whole"] for e in fits[k]] for k in (EVERY, 0)))
    return result


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Show the ratios side by side."""
    title = f"`GradientFlow` in `model.fit`, by processor time; a fit of {LONG_FIT} steps"
    columns = (
        "case",
        "plain step",
        "measured / plain step",
        "first batch with / without",
        f"`every={EVERY}` / without",
        "same bits",
    )
    table = Table(title, columns)
    for each in results:
        limit = RESNET_LIMIT if each["case"] == "cb-resnet50v2" else STEP_LIMIT
        table.row(
            CASES[each["case"]],
            f"{each['plain_ms']['median']:.3g} ms",
            cell(each["step"], limit),
            cell(each["first"], FIRST_LIMIT),
            cell(each["whole"], EVERY_LIMIT) if "whole" in each else "not measured",
            "yes" if each["bits_equal"] else "NO",
        )
    return [table]
