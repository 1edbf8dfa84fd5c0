"""TensorFlow's own: dumping the health of every operation, and checking it for NaN and Inf."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import tensorflow as tf

from benchmarks.cases import CASES
from benchmarks.loops import restoring
from benchmarks.peers.paced import compared, paced
from benchmarks.timing import Contender
from gradscope.config.experiment import ExperimentConfig
from gradscope.runner.network import workload
from gradscope.runner.runtime import device as devices


def dump_debug_info(
    case: str, rounds: int, seconds: float, device: str, mode: str
) -> dict[str, Any]:
    """Time a traced step under `tf.debugging.experimental.enable_dump_debug_info`."""
    with tempfile.TemporaryDirectory(prefix="gradscope-bench-") as folder:

        def enable() -> None:
            tf.debugging.experimental.enable_dump_debug_info(folder, tensor_debug_mode=mode)

        return _with_callback(case, rounds, seconds, device, enable)


def check_numerics(case: str, rounds: int, seconds: float, device: str) -> dict[str, Any]:
    """Time a traced step under `tf.debugging.enable_check_numerics`."""
    return _with_callback(case, rounds, seconds, device, tf.debugging.enable_check_numerics)


def _with_callback(
    case: str, rounds: int, seconds: float, device: str, enable: Callable[[], None]
) -> dict[str, Any]:
    """Compare the step here with the step in a thread where the debugger is on.

    Both debuggers act on the thread that enabled them, on what it traces and on what it calls.
    """
    config = CASES[case].config(device)
    devices.set_threads(config.threads)
    plain = _contender("plain", config, seconds)
    with ThreadPoolExecutor(max_workers=1) as debugged:
        debugged.submit(enable).result()
        inside = debugged.submit(_contender, "with", config, seconds).result()
        elsewhere = Contender("with", lambda: debugged.submit(inside.run).result(), inside.prepare)
        return compared(plain, elsewhere, rounds, device)


def _contender(name: str, config: ExperimentConfig, seconds: float) -> Contender:
    """A training step as one writes it by hand, one traced call for each batch."""
    work = workload.from_config(config)
    model, optimizer = work.model, work.optimizer
    loss_of = keras.losses.SparseCategoricalCrossentropy()
    optimizer.build(model.trainable_variables)

    def one(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    step = tf.function(one, autograph=False, jit_compile=False)
    feed = work.feed.iterate()

    def train(steps: int) -> None:
        for _ in range(steps):
            x, y, _ = next(feed)
            loss = step(tf.convert_to_tensor(x), tf.convert_to_tensor(y))
        float(loss)

    put_back = restoring([*model.variables, *optimizer.variables])
    return paced(name, train, seconds, put_back)
