"""Load a `.keras` file of unknown origin: scan it, compute its sizes, then let Keras load it."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from gradscope.errors import BadRequest, CouldNotMeasure
from gradscope.message_text import sanitise
from gradscope.runner.sources import archive
from gradscope.runner.sources.archive import TRUST_REMEDY, refused
from gradscope.runner.sources.scan import Scan, check_path, scan
from gradscope.runner.sources.user_code import exception_text

MAXIMUM_SAMPLE_VALUES: Final = 2**28
"""The largest output of a layer for one sample: 1 GiB of float32."""

_SLACK: Final = 1.1
_SLACK_BYTES: Final = 2**20
_REBUILD: Final = f"{archive.RESAVE}, or give a factory that builds it"
_OUT_OF_MEMORY: Final = ("ResourceExhaustedError", "OutOfMemoryError")


def load(path: str | Path, *, trust: bool = False) -> Any:
    """Load the model saved in a `.keras` file, as its owner compiled it.

    Without `trust` it is refused (`BadRequest`) unless every class in it is known and every size
    agrees with the weights it holds; `trust` lets it run whatever code is stored in it. Keras's
    global settings are restored.
    """
    path = Path(path)
    name = sanitise(path.name)
    if trust:
        check_path(path)
        with archive.open_archive(path, trust=True):
            pass
        return _loaded(path, name, safe=False)
    scanned = scan(path)
    _check_built_sizes(name, scanned)
    return _loaded(path, name, safe=True)


def _loaded(path: Path, name: str, *, safe: bool) -> Any:
    import keras

    try:
        with _preserved_settings(name, refuse=safe):
            model = keras.saving.load_model(path, safe_mode=safe)
    except (BadRequest, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ in _OUT_OF_MEMORY:
            raise CouldNotMeasure(
                f"{name} does not fit into memory: {exception_text(error)}"
            ) from error
        remedy = "its own classes must be importable: give a factory that loads it"
        what = f"Keras {keras.__version__} cannot load it: {_innermost(error)}"
        raise refused(name, what, _REBUILD if safe else remedy) from error
    if not isinstance(model, keras.Model):
        raise refused(name, f"holds a {type(model).__name__}, not a model", archive.RESAVE)
    return model


def _innermost(error: BaseException) -> str:
    """Keras's innermost message, without the configs that it adds at every level."""
    text = str(error).rpartition("Exception encountered: ")[2]
    return (
        exception_text(type(error)(text))
        if type(error) in (TypeError, ValueError)
        else exception_text(error)
    )


def _check_built_sizes(name: str, scanned: Scan) -> None:
    """Refuse a model whose weights, or whose outputs for one sample, are out of proportion.

    Keras itself computes the shapes, without allocating, in a separate thread: its state while
    building is per thread and ends with it.
    """
    result: list[Any] = []
    state = random.getstate()
    thread = threading.Thread(target=_measure, args=(scanned.config, result), daemon=True)
    thread.start()
    thread.join()
    random.setstate(state)
    (sizes,) = result
    if isinstance(sizes, Exception):
        raise refused(
            name, f"Keras cannot build it: {_innermost(sizes)}", archive.RESAVE
        ) from sizes
    weights, largest, operation = sizes
    if scanned.stored.bytes and weights > _SLACK * scanned.stored.bytes + _SLACK_BYTES:
        what = f"its layers need {weights:,} bytes of weights, but it holds"
        raise refused(name, f"{what} {scanned.stored.bytes:,}", TRUST_REMEDY)
    if largest > MAXIMUM_SAMPLE_VALUES:
        what = f"{sanitise(operation)} gives {largest:,} values for one sample"
        raise refused(name, f"{what}; the limit is {MAXIMUM_SAMPLE_VALUES:,}", TRUST_REMEDY)


def _measure(config: dict[str, Any], result: list[Any]) -> None:
    """Build a model without weights; append their bytes, the largest output and its operation."""
    import keras

    try:
        with keras.StatelessScope(initialize_variables=False):
            model = keras.saving.deserialize_keras_object(_uncompiled(config), safe_mode=True)
            weights = sum(
                prod(w.shape) * np.dtype(_numpy_type(w.dtype)).itemsize for w in model.weights
            )
            outputs = [(0, "")]
            for operation in _operations(model):
                outputs += [(size, operation.name) for size in _output_sizes(operation)]
        result.append((weights, *max(outputs)))
    except Exception as error:
        result.append(error)


def _numpy_type(dtype: str) -> str:
    return {"bfloat16": "uint16", "string": "uint64"}.get(dtype, dtype)


def _uncompiled(node: Any) -> Any:
    """A config without optimizers, losses and metrics, whose state is not counted."""
    if isinstance(node, dict):
        return {key: _uncompiled(item) for key, item in node.items() if key != "compile_config"}
    return [_uncompiled(item) for item in node] if isinstance(node, list) else node


def _operations(model: Any) -> Iterator[Any]:
    """Yield every layer and operation, also of nested models."""
    operations: list[Any] = getattr(model, "operations", None) or getattr(model, "layers", [])
    for operation in operations:
        yield operation
        if hasattr(operation, "layers"):
            yield from _operations(operation)


def _output_sizes(operation: Any) -> list[int]:
    import keras

    tensors: list[Any] = []
    for node in getattr(operation, "_inbound_nodes", ()):
        tensors += keras.tree.flatten(node.output_tensors)
    return [prod(int(size) for size in tensor.shape if size is not None) for tensor in tensors]


@contextlib.contextmanager
def _preserved_settings(name: str, *, refuse: bool) -> Iterator[None]:
    """Restore Keras's global settings at the end; `refuse` a file that changed one."""
    before, numbers = _settings(), random.getstate()
    try:
        yield
    finally:
        changed = [key for key, value in _settings().items() if value != before[key]]
        _restore(before, changed)
        random.setstate(numbers)
    if changed and refuse:
        raise refused(name, f"loading it changed {', '.join(changed)} of Keras", TRUST_REMEDY)


def _settings() -> dict[str, Any]:
    from keras import config

    return {
        "backend": config.backend(),
        "floatx": config.floatx(),
        "epsilon": config.epsilon(),
        "image_data_format": config.image_data_format(),
        "dtype_policy": config.dtype_policy().get_config(),
        "max_epochs": config.max_epochs(),
        "max_steps_per_epoch": config.max_steps_per_epoch(),
        "seed": _seed(),
    }


def _restore(before: dict[str, Any], changed: list[str]) -> None:
    import keras

    for key in changed:
        if key == "seed" and before[key] is not None:
            keras.utils.set_random_seed(before[key])
        elif key == "dtype_policy":
            keras.config.set_dtype_policy(keras.DTypePolicy(**before[key]))
        elif key not in ("backend", "seed"):
            getattr(keras.config, f"set_{key}")(before[key])


def _seed() -> Any:
    """Keras's global seed, if any; there is no public way to read it."""
    try:
        from keras.src.utils.rng_utils import get_random_seed
    except ImportError:
        return None
    return get_random_seed()
