"""Keras's data sets, from Keras's cache and download."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from gradscope.datasets.samples import Samples
from gradscope.errors import BadRequest


def _keras_data_set(name: str, file: str) -> Callable[[], Samples]:
    def load() -> Samples:
        import keras

        try:
            (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
        except Exception as error:  # Keras raises a bare Exception when a download fails
            folder = Path("$KERAS_HOME" if _has_home() else "~/.keras") / "datasets"
            raise BadRequest(
                f"data.name: keras:{name} is not in Keras's cache and could not be downloaded "
                f"({str(error).splitlines()[0][:120]})",
                f"put {file} into {folder}, or use data: {{name: fashion_mini}}, which is included",
            ) from error
        y, y_test = y.reshape(-1).astype(np.int64), y_test.reshape(-1).astype(np.int64)
        return Samples(x, y, x_test, y_test, "classification", int(y.max()) + 1)

    load.__name__ = name
    load.__doc__ = f"Keras's {name}, as ``keras.datasets.{name}.load_data()`` gives it."
    return load


def _has_home() -> bool:
    import os

    return bool(os.environ.get("KERAS_HOME"))


KERAS_DATASETS: Mapping[str, Callable[[], Samples]] = MappingProxyType(
    {
        "keras:fashion_mnist": _keras_data_set(
            "fashion_mnist", "fashion-mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz"
        ),
        "keras:mnist": _keras_data_set("mnist", "mnist.npz"),
        "keras:cifar10": _keras_data_set("cifar10", "cifar-10-batches-py.tar.gz"),
    }
)
"""Name in the config -> function without parameters; Keras is imported when one is called."""
