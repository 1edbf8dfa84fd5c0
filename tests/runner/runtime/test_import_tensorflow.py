"""TensorFlow comes without Keras's optional companions, and nothing else changes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gradscope.runner.runtime import import_tensorflow

FRESH = """
import gc, sys
from gradscope.runner.runtime import import_tensorflow
with import_tensorflow.without_optional_packages():
    import tensorflow, keras
loaded = import_tensorflow.OPTIONAL_PACKAGES & set(sys.modules)
assert not loaded, loaded
assert gc.isenabled()
import matplotlib.pyplot
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
model.compile("sgd", "mse")
import numpy
model.fit(numpy.ones((4, 3)), numpy.ones((4, 2)), verbose=0)
"""


def test_an_extra_is_hidden_inside_only() -> None:
    before = list(sys.meta_path)
    # colorsys is not loaded by anything here; an extra that is loaded stays loaded
    with import_tensorflow.without_optional_packages():
        with pytest.raises(ModuleNotFoundError, match="hidden"):
            import sklearn.nothing  # noqa: F401
        import colorsys  # noqa: F401
    assert sys.meta_path == before


@pytest.mark.tensorflow
def test_keras_works_without_the_extras_and_they_can_be_imported_later() -> None:
    command = [sys.executable, "-c", FRESH]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
