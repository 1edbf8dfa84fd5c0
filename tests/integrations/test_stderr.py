"""A fit with the callback writes nothing to stderr that a fit without it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ROOT

FIT = """
import sys
import keras, numpy as np
import gradscope

L = keras.layers
images = keras.Sequential([
    keras.Input((12, 12, 1)), L.Conv2D(4, 3, activation="relu"), L.BatchNormalization(),
    L.MaxPooling2D(), L.Flatten(), L.Dense(10, activation="softmax"),
])
plain = keras.Sequential([
    keras.Input((8, 8, 1)), L.Conv2D(3, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(),
    L.Dense(10, activation="softmax"),
])
inputs = keras.Input((12, 12))
x = L.LayerNormalization()(inputs + L.MultiHeadAttention(2, 4)(inputs, inputs))
sequences = keras.Model(inputs, L.Dense(10, activation="softmax")(L.LSTM(8)(x)))
for model, shape in ((images, (12, 12, 1)), (plain, (8, 8, 1)), (sequences, (12, 12))):
    model.compile("adam", "sparse_categorical_crossentropy")
    data = np.zeros((96, *shape), "float32"), np.arange(96) % 10
    callbacks = [gradscope.GradientFlow(every=2)] if "measure" in sys.argv else []
    model.fit(*data, verbose=0, callbacks=callbacks)
"""


def _lines(folder: Path, *arguments: str) -> set[str]:
    """What the script writes to stderr, without times and process numbers."""
    done = subprocess.run(
        [sys.executable, "-c", FIT, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("] ")[2] for line in done.stderr.splitlines()}


@pytest.mark.long("20 s")
@pytest.mark.tensorflow
def test_measuring_adds_no_line_to_stderr(tmp_path: Path) -> None:
    assert _lines(tmp_path, "measure") <= _lines(tmp_path)
