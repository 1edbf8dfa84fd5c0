"""`.keras` files written by hand: what Keras would write, and what it never would."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Json = dict[str, Any]


def known(class_name: str, module: str = "keras.layers", **config: Any) -> Json:
    """An object of a config as Keras writes it."""
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": None,
    }


def dense(units: int = 4, **more: Any) -> Json:
    """A Dense layer of the plain model."""
    return known("Dense", name=f"dense_{units}", units=units, **more)


def model(*layers: Json, **more: Any) -> Json:
    """A Sequential of an input of 3 features and `layers`."""
    first = known("InputLayer", batch_shape=[None, 3], dtype="float32", name="input")
    config = {"name": "plain", "layers": [first, *layers]}
    return {**known("Sequential", "keras", **config), **more}


def weights(change: Callable[[Any], None] | None = None) -> bytes:
    """The weights of one Dense layer of 4 units on 3 features, with `change` done to the file."""
    raw = io.BytesIO()
    with h5py.File(raw, "w") as file:
        place = file.create_group("layers/dense/vars")
        place["0"] = np.ones((3, 4), np.float32)
        place["1"] = np.zeros(4, np.float32)
        file.create_group("vars")
        if change is not None:
            change(file)
    return raw.getvalue()


def write(
    path: Path,
    config: Json | str | bytes | None = None,
    stored: bytes | None = None,
    extra: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a `.keras` file: the plain model where nothing else is given."""
    config = model(dense()) if config is None else config
    text = json.dumps(config) if isinstance(config, dict) else config
    members: dict[str, Any] = {
        "metadata.json": json.dumps({"keras_version": "3.15.1"}),
        "config.json": text,
        "model.weights.h5": weights() if stored is None else stored,
        **(extra or {}),
    }
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
