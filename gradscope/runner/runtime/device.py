"""Apply and describe the settings that a run is made under."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest
from gradscope.record import Environment

RECURSION_LIMIT = 10_000
"""Calls inside each other, for networks of up to 2,000 Keras layers; Python allows 1,000."""

_CPU_FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "amx_bf16", "sse4_2", "asimd", "sve")


def set_threads(threads: int) -> None:
    """Set TensorFlow's number of threads before its first operation; 0 leaves its default.

    One thread is the default of a run: the number of threads changes the bits of a result, the
    number of cores differs between machines, and small networks train faster on one.
    """
    if not threads:
        return
    with contextlib.suppress(RuntimeError):  # TensorFlow is running: its threads stay as they are
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def choose_device(requested: str) -> str:
    """Resolve ``auto`` to ``cpu`` or ``gpu``; `BadRequest` when a GPU is requested and absent."""
    gpus = tf.config.list_physical_devices("GPU")
    if requested == "gpu" and not gpus:
        raise BadRequest(
            "device: gpu was asked for, and TensorFlow sees no GPU",
            "set device: cpu (or auto), or install the cuda extra on a machine with an NVIDIA GPU",
        )
    if requested == "cpu" or not gpus:
        return "cpu"
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    return "gpu"


def device_name(device: str) -> str:
    """Name the device for a person: ``CPU (2 cores)`` or the GPU's own name."""
    if device == "cpu":
        return f"CPU ({os.cpu_count()} cores)"
    gpu = tf.config.list_physical_devices("GPU")[0]
    details = tf.config.experimental.get_device_details(gpu)
    return str(details.get("device_name", gpu.name))


def make_deterministic() -> None:
    """Let TensorFlow use only operations that give the same bits every time, until it ends.

    Use it in a separate process: it cannot be undone, and TensorFlow then refuses random operations
    without a seed.
    """
    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def settings(*, keep_policy: bool = False) -> Iterator[None]:
    """Run with Keras in float32 and without TensorFlow's graph rewriting, and restore both after.

    TensorFlow does not warn of retracing meanwhile: each network has graphs of its own. Keras
    goes through a network by recursion, one call for each layer: more calls are allowed meanwhile.

    `keep_policy` leaves Keras's dtype policy alone: a model that exists has its own.
    The rewriting (Grappler's meta optimizer) may reorder the arithmetic of the training step when
    more of its tensors are fetched: with batch norm, measuring would then change the trained bits.
    """
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    if not keep_policy:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    logger = tf.get_logger()
    logger.addFilter(_is_no_retracing)
    depth = sys.getrecursionlimit()
    sys.setrecursionlimit(max(depth, RECURSION_LIMIT))
    try:
        with _no_graph_rewriting():
            yield
    finally:
        sys.setrecursionlimit(depth)
        logger.removeFilter(_is_no_retracing)
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


@contextlib.contextmanager
def _no_graph_rewriting() -> Iterator[None]:
    """Switch TensorFlow's graph rewriting off in all threads, and restore its option after.

    It stays off where code of the user's own sets another of TensorFlow's options in the block.
    """
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options(
            {"disable_meta_optimizer": options.get("disable_meta_optimizer", False)}
        )


@contextlib.contextmanager
def without_graph_rewriting() -> Iterator[None]:
    """Call some traced functions without TensorFlow's graph rewriting.

    What was called before or is called after in other graphs is rewritten as ever: TensorFlow keeps
    a function's kernels by the options it was called with. They are those of this thread's calls:
    to set TensorFlow's own option twice costs a tenth of a step of a small network.
    """
    eager = context.context()
    before = eager.function_call_options
    config = tf.compat.v1.ConfigProto.FromString(before.config_proto_serialized)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    eager.function_call_options = context.FunctionCallOptions(before.executor_type, config)
    try:
        yield
    finally:
        eager.function_call_options = before


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in str(record.msg)


def dtype_of(model: Any) -> str:
    """Keras's dtype policies of the layers that have weights, the most frequent one first.

    ``float32``, ``mixed_float16``, or several as in ``mixed_float16, float32``.
    """
    layers = [layer for layer in model._flatten_layers() if layer._trainable_variables]
    names = Counter(layer.dtype_policy.name for layer in layers or [model])
    return ", ".join(sorted(names, key=lambda name: (-names[name], name)))


def environment(
    config: ExperimentConfig, *, device: str, jit: bool, threads: int, dtype: str, data_hash: str
) -> Environment:
    """Collect everything that was observed to change the bits of a run."""
    return Environment(
        gradscope=version("gradscope-keras"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        numpy=np.__version__,
        tensorflow=tf.__version__,
        keras=keras.__version__,
        device=device_name(device),
        cpu_flags=_cpu_flags(),
        threads=threads,
        jit=jit,
        grappler=False,
        onednn=os.environ.get("TF_ENABLE_ONEDNN_OPTS", "auto") != "0",
        op_determinism=_op_determinism(),
        dtype=dtype,
        seed=config.seed,
        config_hash=config.hash,
        data_hash=data_hash,
    )


def _op_determinism() -> bool:
    """Whether `make_deterministic` was called here; TensorFlow has no public way to ask."""
    from tensorflow.python.framework import config as framework

    return bool(framework.is_op_determinism_enabled())


def _cpu_flags() -> tuple[str, ...]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    present: set[str] = set()
    for line in text.splitlines():
        if line.startswith(("flags", "Features")):
            present = set(line.partition(":")[2].split())
            break
    return tuple(flag for flag in _CPU_FLAGS if flag in present)
