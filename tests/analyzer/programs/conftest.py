"""What all programs start with."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def seeded(tensorflow_once: Any) -> None:
    import keras

    keras.utils.set_random_seed(1)
