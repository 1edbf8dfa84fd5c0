"""Networks that `fit` trains by a compiled loss: each function gives (model, x, y), compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SAMPLES, CLASSES = 512, 4
Case = Callable[[], tuple[Any, Any, Any]]


def _random() -> Any:
    return np.random.default_rng(0)


def images(size: int = 16) -> tuple[Any, Any]:
    """Noisy images of four patterns, and their classes."""
    random = _random()
    patterns = random.normal(size=(CLASSES, size, size, 3))
    classes = random.integers(0, CLASSES, SAMPLES)
    x = patterns[classes] + random.normal(size=(SAMPLES, size, size, 3))
    return x.astype(np.float32), classes


def tokens(length: int = 12, vocabulary: int = 20) -> tuple[Any, Any]:
    """Sequences of tokens, and whether the first is smaller than the last."""
    x = _random().integers(1, vocabulary, (SAMPLES, length))
    return x.astype(np.int32), (x[:, 0] < x[:, -1]).astype(np.int32)


def compiled(model: Any, loss: Any = "sparse_categorical_crossentropy", **options: Any) -> Any:
    """The model, compiled with Adam at twice its rate unless `options` say otherwise."""
    import keras

    model.compile(**{"optimizer": keras.optimizers.Adam(2e-3), "loss": loss} | options)
    return model


def _convolutions() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(16, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def classifier() -> tuple[Any, Any, Any]:
    """A small convolutional classifier."""
    return compiled(_convolutions()), *images()


def gradient_accumulation() -> tuple[Any, Any, Any]:
    """The same, whose optimizer makes a step after every fourth batch."""
    import keras

    optimizer = keras.optimizers.Adam(2e-3, gradient_accumulation_steps=4)
    return compiled(_convolutions(), optimizer=optimizer), *images()


def mixed_precision() -> tuple[Any, Any, Any]:
    """The same in mixed_float16, with a scaled loss."""
    import keras

    keras.mixed_precision.set_global_policy("mixed_float16")
    return compiled(_convolutions()), *images()


def segmentation() -> tuple[Any, Any, Any]:
    """A U-Net of two scales that gives each pixel a class."""
    import keras
    from keras import layers

    def block(x: Any, filters: int) -> Any:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        return layers.Activation("relu")(layers.BatchNormalization()(x))

    inputs = keras.Input((16, 16, 3))
    skip = block(inputs, 16)
    x = block(layers.MaxPooling2D()(skip), 32)
    x = layers.Conv2DTranspose(16, 2, strides=2, padding="same")(x)
    x = block(layers.Concatenate()([x, skip]), 16)
    outputs = layers.Conv2D(2, 1, activation="softmax")(x)
    x, _ = images()
    return compiled(keras.Model(inputs, outputs)), x, (x[..., 0] > 0).astype(np.int64)


def _attention_block(x: Any, width: int) -> Any:
    from keras import layers

    normed = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, width // 2)(normed, normed)])
    hidden = layers.Dense(2 * width, activation="gelu")(layers.LayerNormalization()(x))
    return layers.Add()([x, layers.Dense(width)(hidden)])


def vit() -> tuple[Any, Any, Any]:
    """A vision transformer of two blocks on patches of 4 pixels."""
    import keras
    from keras import layers

    inputs = keras.Input((16, 16, 3))
    x = layers.Reshape((-1, 32))(layers.Conv2D(32, 4, strides=4)(inputs))
    for _ in range(2):
        x = _attention_block(x, 32)
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    outputs = layers.Dense(CLASSES, activation="softmax")(x)
    return compiled(keras.Model(inputs, outputs)), *images()


def mlp_mixer() -> tuple[Any, Any, Any]:
    """Two blocks that mix the patches, then the channels."""
    import keras
    from keras import layers

    inputs = keras.Input((16, 16, 3))
    x = layers.Reshape((16, 32))(layers.Conv2D(32, 4, strides=4)(inputs))
    for _ in range(2):
        mixed = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        mixed = layers.Dense(16)(layers.Dense(32, activation="gelu")(mixed))
        x = layers.Add()([x, layers.Permute((2, 1))(mixed)])
        mixed = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(32)(mixed)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    outputs = layers.Dense(CLASSES, activation="softmax")(x)
    return compiled(keras.Model(inputs, outputs)), *images()


def transformer() -> tuple[Any, Any, Any]:
    """A classifier of token sequences, two pre-norm blocks."""
    import keras
    from keras import layers

    inputs = keras.Input((12,), dtype="int32")
    positions = layers.Embedding(12, 32)(keras.ops.arange(12))
    x = layers.Embedding(20, 32)(inputs) + positions
    for _ in range(2):
        x = _attention_block(x, 32)
    x = layers.Flatten()(layers.LayerNormalization()(x))
    outputs = layers.Dense(2, activation="softmax")(x)
    return compiled(keras.Model(inputs, outputs)), *tokens()


def seq2seq() -> tuple[Any, Any, Any]:
    """An encoder and a decoder of LSTMs that copy a sequence backwards."""
    import keras
    from keras import layers

    source, target = keras.Input((8,), dtype="int32"), keras.Input((8,), dtype="int32")
    _, *state = layers.LSTM(32, return_state=True)(layers.Embedding(12, 16)(source))
    x = layers.LSTM(32, return_sequences=True)(layers.Embedding(12, 16)(target), state)
    outputs = layers.Dense(12, activation="softmax")(x)
    sequence, _ = tokens(8, 12)
    backwards = sequence[:, ::-1]
    shifted = np.pad(backwards[:, :-1], [[0, 0], [1, 0]])
    return compiled(keras.Model([source, target], outputs)), (sequence, shifted), backwards


def tabular() -> tuple[Any, Any, Any]:
    """Numbers and a category, by name, and a regression."""
    import keras
    from keras import layers

    inputs = {
        "numbers": keras.Input((6,), name="numbers"),
        "kind": keras.Input((1,), dtype="int32", name="kind"),
    }
    kind = layers.Flatten()(layers.Embedding(5, 4)(inputs["kind"]))
    x = layers.Concatenate()([inputs["numbers"], kind])
    for _ in range(2):
        x = layers.Dense(32, activation="relu")(x)
    random = _random()
    numbers = random.normal(size=(SAMPLES, 6)).astype(np.float32)
    kinds = random.integers(0, 5, (SAMPLES, 1)).astype(np.int32)
    y = numbers[:, :1] * (kinds > 2) + numbers[:, 1:2]
    model = keras.Model(inputs, layers.Dense(1)(x))
    return compiled(model, "mse"), {"numbers": numbers, "kind": kinds}, y.astype(np.float32)


def siamese() -> tuple[Any, Any, Any]:
    """Two images through one tower; are they of one class?"""
    import keras
    from keras import layers

    tower = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(16),
        ]
    )
    left, right = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    distance = keras.ops.square(tower(left) - tower(right))
    outputs = layers.Dense(1, activation="sigmoid")(distance)
    x, classes = images()
    order = _random().permutation(SAMPLES)
    same = (classes == classes[order]).astype(np.float32)[:, None]
    return (
        compiled(keras.Model([left, right], outputs), "binary_crossentropy"),
        (x, x[order]),
        same,
    )


def graph() -> tuple[Any, Any, Any]:
    """Two graph convolutions over 8 nodes with a given adjacency, written as a layer."""
    import keras
    from keras import layers

    class GraphConvolution(layers.Layer):  # type: ignore[misc]
        def __init__(self, units: int) -> None:
            super().__init__()
            self.dense = layers.Dense(units, activation="relu")

        def call(self, nodes: Any, adjacency: Any) -> Any:
            return self.dense(keras.ops.matmul(adjacency, nodes))

    nodes, adjacency = keras.Input((8, 6)), keras.Input((8, 8))
    x = GraphConvolution(16)(GraphConvolution(16)(nodes, adjacency), adjacency)
    outputs = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling1D()(x))
    random = _random()
    features = random.normal(size=(SAMPLES, 8, 6)).astype(np.float32)
    edges = (random.random((SAMPLES, 8, 8)) < 0.3) + np.eye(8)
    edges = (edges / edges.sum(-1, keepdims=True)).astype(np.float32)
    y = (features[..., 0].mean(-1) > 0).astype(np.int64)
    return compiled(keras.Model([nodes, adjacency], outputs)), (features, edges), y


def forecasting() -> tuple[Any, Any, Any]:
    """An LSTM and a GRU that forecast the next value of a noisy sine."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((24, 1)),
            layers.LSTM(16, return_sequences=True),
            layers.GRU(16),
            layers.Dense(1),
        ]
    )
    random = _random()
    start = random.uniform(0, 6.28, (SAMPLES, 1))
    series = np.sin(start + 0.4 * np.arange(25)) + 0.05 * random.normal(size=(SAMPLES, 25))
    series = series.astype(np.float32)
    return compiled(model, "mse"), series[:, :24, None], series[:, 24:]


def ctc() -> tuple[Any, Any, Any]:
    """A recurrent network over frames with Keras's CTC loss."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((16, 6)),
            layers.Dense(32, activation="relu"),
            layers.Bidirectional(layers.GRU(16, return_sequences=True)),
            layers.Dense(6),
        ]
    )
    random = _random()
    labels = random.integers(1, 6, (SAMPLES, 4))
    frames = np.eye(6)[np.repeat(labels, 4, axis=1)] + 0.3 * random.normal(size=(SAMPLES, 16, 6))
    return compiled(model, keras.losses.CTC()), frames.astype(np.float32), labels


def lora() -> tuple[Any, Any, Any]:
    """A dense network whose hidden layers train adapters of rank 4."""
    import keras
    from keras import layers

    hidden = [layers.Dense(32, activation="relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(2, activation="softmax")])
    for layer in hidden:
        layer.enable_lora(4)
    x = _random().normal(size=(SAMPLES, 6)).astype(np.float32)
    return compiled(model), x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def autoencoder() -> tuple[Any, Any, Any]:
    """A variational autoencoder whose divergence a layer adds to the loss."""
    import keras
    from keras import layers

    class Sample(layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.seed = keras.random.SeedGenerator(0)

        def call(self, mean: Any, log_variance: Any) -> Any:
            ops = keras.ops
            spread = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
            self.add_loss(-0.005 * ops.mean(spread))
            noise = keras.random.normal(ops.shape(mean), seed=self.seed)
            return mean + ops.exp(0.5 * log_variance) * noise

    inputs = keras.Input((12,))
    x = layers.Dense(32, activation="relu")(inputs)
    code = Sample()(layers.Dense(3)(x), layers.Dense(3)(x))
    outputs = layers.Dense(12)(layers.Dense(32, activation="relu")(code))
    random = _random()
    hidden = random.normal(size=(SAMPLES, 3)) @ random.normal(size=(3, 12))
    x = np.tanh(hidden).astype(np.float32)
    return compiled(keras.Model(inputs, outputs), "mse"), x, x


def application(name: str) -> Case:
    """A network of `keras.applications` on images of 32 pixels, without pretrained weights."""

    def build() -> tuple[Any, Any, Any]:
        import keras

        x, y = images(32)
        make = getattr(keras.applications, name)
        model = make(weights=None, input_shape=(32, 32, 3), classes=CLASSES)
        return compiled(model), x[:128], y[:128]

    return build


APPLICATIONS = (
    "MobileNetV2",
    "ResNet50V2",
    "DenseNet121",
    "EfficientNetB0",
    "ConvNeXtTiny",
    "VGG16",
)
CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        classifier,
        gradient_accumulation,
        mixed_precision,
        segmentation,
        vit,
        mlp_mixer,
        transformer,
        seq2seq,
        tabular,
        siamese,
        graph,
        forecasting,
        ctc,
        lora,
        autoencoder,
    )
} | {name: application(name) for name in APPLICATIONS}
