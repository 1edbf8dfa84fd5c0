"""Programs that looked healthy to every check: each kind three times, with its repaired twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope import api
from tests.analyzer.programs.running import CLASSES, Data, actions, clusters, diagnosed, errors

pytestmark = pytest.mark.tensorflow


def adam(rate: float = 3e-3) -> Any:
    import keras

    return keras.optimizers.Adam(rate)


def dense(output: int, end: str = "softmax", between: Callable[[], list[Any]] = list) -> list[Any]:
    from keras import layers

    hidden = [
        layer for _ in range(2) for layer in (layers.Dense(32, activation="relu"), *between())
    ]
    return [*hidden, layers.Dense(output, activation=end)]


def images(samples: int = 320) -> Data:
    """Noisy images of a bar at one of four places, and the places as classes."""
    random = np.random.default_rng(1)
    y = random.integers(0, 4, samples)
    x = 0.5 * random.normal(size=(samples, 8, 8, 1))
    x[np.arange(samples), 2 * y] += 1.5
    return x.astype("float32"), y


def convolutional(between: Callable[[], list[Any]]) -> list[Any]:
    from keras import layers

    return [
        layers.Conv2D(4, 3, activation="relu", padding="same"),
        layers.Flatten(),
        layers.Dense(24, activation="relu"),
        *between(),
        layers.Dense(4, activation="softmax"),
    ]


def series(samples: int = 320) -> Data:
    """Series whose mean is their class."""
    random = np.random.default_rng(1)
    y = random.integers(0, 3, samples)
    return (random.normal(size=(samples, 6, 2)) + y[:, None, None]).astype("float32"), y


def recurrent(between: Callable[[], list[Any]]) -> list[Any]:
    from keras import layers

    return [
        layers.GRU(12),
        layers.Dense(16, activation="relu"),
        *between(),
        layers.Dense(3, activation="softmax"),
    ]


@pytest.mark.long("20 s")
def test_a_dropout_that_leaves_no_unit() -> None:
    from keras import layers

    def dropout(rate: float) -> Callable[[], list[Any]]:
        return lambda: [layers.Dropout(rate, seed=1)]

    kinds: dict[str, tuple[Callable[[Callable[[], list[Any]]], list[Any]], Data]] = {
        "dense": (lambda between: dense(4, between=between), clusters()),
        "convolution": (convolutional, images()),
        "recurrent": (recurrent, series()),
    }
    for name, (made, data) in kinds.items():
        sick = diagnosed(made(dropout(0.98)), data, CLASSES, adam(), 100)
        assert sick.codes[0] == "GS206", (name, sick.headline)
        assert actions(sick) == ["change_settings"]
        repaired = diagnosed(made(dropout(0.3)), data, CLASSES, adam(1e-2), 100)
        assert "GS206" not in repaired.codes, (name, repaired.headline)
        assert errors(repaired) == [], (name, repaired.headline)


def test_a_penalty_that_leaves_no_weight() -> None:
    import keras
    from keras import layers

    def penalized(kind: str, size: float) -> list[Any]:
        regularizer = getattr(keras.regularizers, kind)(size)
        hidden = [
            layers.Dense(32, activation="relu", kernel_regularizer=regularizer) for _ in range(2)
        ]
        return [*hidden, layers.Dense(4, activation="softmax", kernel_regularizer=regularizer)]

    for kind, size in (("L2", 10.0), ("L1", 1.0)):
        sick = diagnosed(penalized(kind, size), clusters(), CLASSES, adam(1e-2), 150)
        assert errors(sick)[:1] == ["GS609"], (kind, sick.headline)
        assert actions(sick) == ["weaken_penalty"]
        repaired = diagnosed(penalized(kind, 1e-4), clusters(), CLASSES, adam(1e-2), 100)
        assert errors(repaired) == [], (kind, repaired.headline)


def test_samples_sorted_by_class() -> None:
    """Plain clusters are learned all the same, and it is a warning."""
    import keras
    import tensorflow as tf

    kinds: dict[str, tuple[list[Any], Data]] = {
        "dense": (dense(4), clusters()),
        "convolution": (convolutional(list), images()),
        "recurrent": (recurrent(list), series()),
    }
    for name, (layers, (x, y)) in kinds.items():
        for in_order in (True, False):
            order = np.argsort(y, kind="stable") if in_order else np.arange(len(y))
            model = keras.Sequential([keras.Input(x.shape[1:]), *map(again, layers)])
            model.compile(adam(1e-2), CLASSES)
            data = tf.data.Dataset.from_tensor_slices((x[order], y[order])).batch(20)
            config = {"training": {"steps": 2 * len(y) // 20}, "seed": 1}
            diagnosis = api.analyze(api.run(config, model=model, data=data)).diagnosis
            if in_order:
                assert diagnosis.codes[0] == "GS610", (name, diagnosis.headline)
                assert (diagnosis.verdict == "unhealthy") is (name != "dense"), diagnosis.headline
                assert actions(diagnosis) == ["shuffle_data"]
            else:
                assert "GS610" not in diagnosis.codes, (name, diagnosis.headline)


def again(layer: Any) -> Any:
    """A new layer of the same settings."""
    return type(layer).from_config(layer.get_config())


def masks(samples: int = 256) -> Data:
    """A square somewhere in the middle: most positions are never in it, some often."""
    random = np.random.default_rng(2)
    places = random.integers(1, 5, (samples, 2))
    y = np.zeros((samples, 8, 8, 1), "float32")
    for mask, (row, column) in zip(y, places, strict=True):
        mask[row : row + 3, column : column + 3] = 1.0
    return (y + 0.3 * random.normal(size=y.shape)).astype("float32"), y


def words(samples: int = 320) -> Data:
    """One of three classes for each of six numbers, the later ones more often the last class."""
    random = np.random.default_rng(2)
    y = (random.random((samples, 6)) < np.linspace(0.1, 0.9, 6)).astype("int64")
    x = y[..., None] * np.ones(3) + 0.3 * random.normal(size=(samples, 6, 3))
    return x.astype("float32"), y


def labeller(output: int, end: str) -> list[Any]:
    from keras import layers

    return [
        layers.Conv1D(16, 3, padding="same", activation="relu"),
        layers.Conv1D(16, 3, padding="same", activation="relu"),
        layers.Dense(output, activation=end),
    ]


def segmenter() -> list[Any]:
    from keras import layers

    return [
        layers.Conv2D(8, 5, padding="same", activation="relu"),
        layers.Conv2D(8, 5, padding="same", activation="relu"),
        layers.Conv2D(1, 1, activation="sigmoid"),
    ]


def test_targets_of_other_samples_at_positions() -> None:
    """A network with padding knows where it is, and learns how often each position is 1."""
    kinds = {
        "masks": (segmenter, "binary_crossentropy", masks()),
        "words": (lambda: labeller(2, "softmax"), CLASSES, words()),
    }
    for name, (made, loss, (x, y)) in kinds.items():
        others = np.random.default_rng(3).permutation(len(y))
        sick = diagnosed(made(), (x, y[others]), loss, adam(1e-2), 150)
        assert errors(sick) == ["GS602"], (name, sick.headline)
        repaired = diagnosed(made(), (x, y), loss, adam(1e-2), 150)
        assert errors(repaired) == [], (name, repaired.headline)
