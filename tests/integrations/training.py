"""Small models, and a `model.fit` of them whose every bit can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SAMPLES = 36
BATCH = 8


def mlp() -> Any:
    from keras import Input, Sequential, layers

    hidden = [layers.Dense(9, activation="relu"), layers.Dense(7, activation="tanh")]
    return Sequential([Input((6,)), *hidden, layers.Dense(3, activation="softmax")])


def batch_norm_mlp() -> Any:
    """Not built before `fit` sees the data."""
    from keras import Sequential, layers

    blocks = [
        layer
        for units in (12, 10)
        for layer in (layers.Dense(units), layers.BatchNormalization(), layers.ReLU())
    ]
    return Sequential([*blocks, layers.Dropout(0.2), layers.Dense(3, activation="softmax")])


def cnn() -> Any:
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def lstm(dropout: float = 0.2) -> Any:
    from keras import Input, Sequential, layers

    inner = layers.LSTM(5, dropout=dropout)
    return Sequential([Input((4, 3)), inner, layers.Dense(3, activation="softmax")])


def transformer() -> Any:
    from keras import Input, Model, layers

    inputs = Input((4, 6))
    attended = layers.MultiHeadAttention(2, 3, dropout=0.1)(inputs, inputs)
    x = layers.LayerNormalization()(layers.Add()([inputs, attended]))
    x = layers.Add()([x, layers.Dense(6)(layers.Dense(8, activation="gelu")(x))])
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return Model(inputs, layers.Dense(3, activation="softmax")(pooled))


SHAPES: dict[Callable[[], Any], tuple[int, ...]] = {
    mlp: (6,),
    batch_norm_mlp: (6,),
    cnn: (6, 6, 1),
    lstm: (4, 3),
    transformer: (4, 6),
}
MODELS = {build.__name__: build for build in SHAPES}


def data(build: Callable[[], Any], samples: int = SAMPLES) -> tuple[Any, Any]:
    """Gaussian inputs and three classes; the last batch of an epoch is smaller."""
    random = np.random.default_rng(11)
    x = random.normal(size=(samples, *SHAPES[build])).astype(np.float32)
    return x, random.integers(0, 3, samples)


def compiled(build: Callable[[], Any], **options: Any) -> Any:
    """The model of a fixed seed, compiled."""
    import keras

    keras.utils.set_random_seed(4)
    model = build()
    given = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["acc"]}
    model.compile(**given | options)
    return model


def in_half_precision(build: Callable[[], Any]) -> Callable[[], Any]:
    """The same model under the policy ``mixed_float16``."""

    def built() -> Any:
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            return build()
        finally:
            keras.config.set_dtype_policy(before)

    return built


def bits(model: Any, history: Any) -> list[Any]:
    """Everything that training leaves behind."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [history.history, *(variable.numpy() for variable in variables)]


def assert_same(one: list[Any], other: list[Any]) -> None:
    assert one[0] == other[0]
    assert len(one) == len(other) > 1
    for left, right in zip(one[1:], other[1:], strict=True):
        np.testing.assert_array_equal(left, right)
