"""Load a `.keras` file of unknown origin: looked through, measured, only then given to Keras."""

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
from gradscope.runner.sources.archive import refused
from gradscope.runner.sources.config_tree import OWN_CODE
from gradscope.runner.sources.scan import Scan, check_path, scan
from gradscope.runner.sources.user_code import said

MAXIMUM_SAMPLE_VALUES: Final = 2**28
"""The largest output of a layer for one sample: 1 GiB of float32."""

_SLACK: Final = 1.1
_SLACK_BYTES: Final = 2**20
_REBUILD: Final = f"{archive.RESAVE}, or give a factory that builds it"
_GIVES_UP: Final = ("ResourceExhaustedError", "OutOfMemoryError")


def load(path: str | Path, *, trust: bool = False) -> Any:
    """Give the model saved in a `.keras` file, as its owner compiled it.

    Without `trust` it is refused (`BadRequest`) unless every class in it is known and every size
    agrees with the weights it holds; `trust` lets it run whatever code is stored in it. Keras's
    global settings are afterwards what they were.
    """
    path = Path(path)
    name = sanitise(path.name)
    if trust:
        check_path(path)
        with archive.opened(path, trust=True):
            pass
        return _loaded(path, name, safe=False)
    found = scan(path)
    _check_built_sizes(name, found)
    return _loaded(path, name, safe=True)


def notes(model: Any) -> tuple[str, ...]:
    """Say what is odd about the weights a model came with."""
    bad = [
        sanitise(weight.path)
        for weight in model.weights
        if not np.isfinite(np.asarray(weight, dtype=np.float64)).all()
    ]
    if not bad:
        return ()
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    return (f"the weights it starts from are not finite in {', '.join(bad[:3])}{more}",)


def _loaded(path: Path, name: str, *, safe: bool) -> Any:
    import keras

    try:
        with _settings_kept(name, refuse=safe):
            model = keras.saving.load_model(path, safe_mode=safe)
    except (BadRequest, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ in _GIVES_UP:
            raise CouldNotMeasure(f"{name} does not fit into memory: {said(error)}") from error
        remedy = "its own classes must be importable: give a factory that loads it"
        what = f"Keras {keras.__version__} cannot load it: {_innermost(error)}"
        raise refused(name, what, _REBUILD if safe else remedy) from error
    if not isinstance(model, keras.Model):
        raise refused(name, f"holds a {type(model).__name__}, not a model", archive.RESAVE)
    return model


def _innermost(error: BaseException) -> str:
    """Give what Keras says went wrong, without the configs it wraps around it at every level."""
    text = str(error).rpartition("Exception encountered: ")[2]
    return said(type(error)(text)) if type(error) in (TypeError, ValueError) else said(error)


def _check_built_sizes(name: str, found: Scan) -> None:
    """Refuse a model whose weights, or whose outputs for one sample, are out of proportion.

    Keras itself works out the shapes, without allocating one, in a thread of its own: what it
    keeps in mind while building is kept per thread and is gone with it.
    """
    result: list[Any] = []
    state = random.getstate()
    thread = threading.Thread(target=_measure, args=(found.config, result), daemon=True)
    thread.start()
    thread.join()
    random.setstate(state)
    (sizes,) = result
    if isinstance(sizes, Exception):
        raise refused(
            name, f"Keras cannot build it: {_innermost(sizes)}", archive.RESAVE
        ) from sizes
    weights, largest, operation = sizes
    if found.stored.bytes and weights > _SLACK * found.stored.bytes + _SLACK_BYTES:
        what = f"its layers need {weights:,} bytes of weights, but it holds"
        raise refused(name, f"{what} {found.stored.bytes:,}", OWN_CODE)
    if largest > MAXIMUM_SAMPLE_VALUES:
        what = f"{sanitise(operation)} gives {largest:,} values for one sample"
        raise refused(name, f"{what}; the limit is {MAXIMUM_SAMPLE_VALUES:,}", OWN_CODE)


def _measure(config: dict[str, Any], result: list[Any]) -> None:
    """Build a model without weights; give their bytes, and its largest output and where it is."""
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
    """Give a config without optimizers, losses and metrics, whose state is not asked for."""
    if isinstance(node, dict):
        return {key: _uncompiled(item) for key, item in node.items() if key != "compile_config"}
    return [_uncompiled(item) for item in node] if isinstance(node, list) else node


def _operations(model: Any) -> Iterator[Any]:
    """Give every layer and operation, those of nested models too."""
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
def _settings_kept(name: str, *, refuse: bool) -> Iterator[None]:
    """Put Keras's global settings back as they were; `refuse` a file that changed one."""
    before, numbers = _settings(), random.getstate()
    try:
        yield
    finally:
        changed = [key for key, value in _settings().items() if value != before[key]]
        _restore(before, changed)
        random.setstate(numbers)
    if changed and refuse:
        raise refused(name, f"loading it changed {', '.join(changed)} of Keras", OWN_CODE)


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
    """Give the seed Keras was told, if any; it has no public way to ask."""
    try:
        from keras.src.utils.rng_utils import get_random_seed
    except ImportError:
        return None
    return get_random_seed()
