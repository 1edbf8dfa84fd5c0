"""Networks over vectors and images; a function takes `Parts` and a shape, gives inputs, outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers, ops

from benchmarks.detectors.wide import sequences
from benchmarks.detectors.wide.operations import Position
from benchmarks.detectors.wide.parts import Parts

Ends = tuple[Any, Any]
Shape = tuple[int, ...]


def mlp(parts: Parts, shape: Shape) -> Ends:
    """Dense layers; `scaled` puts a batch norm before them."""
    x = first = keras.Input(shape)
    x = layers.BatchNormalization(momentum=0.9)(x) if parts.get("scaled", False) else x
    for _ in range(parts.get("depth", 2)):
        x = parts.unit(x, layers.Dense, parts.get("width", 32))
    return first, parts.head(x)


def highway(parts: Parts, shape: Shape) -> Ends:
    """Layers whose output a second one gates (Dauphin et al. 2017), with shortcuts."""
    x = first = keras.Input(shape)
    x = parts.dense(parts.get("width", 24), None)(x)
    for _ in range(parts.get("depth", 4)):
        gate = layers.Dense(x.shape[-1], activation="sigmoid")(x)
        x = layers.Add()([x, layers.Multiply()([gate, parts.dense(x.shape[-1])(x)])])
        x = layers.LayerNormalization()(x) if parts.get("normed", True) else x
    return first, parts.head(x)


def wide_and_deep(parts: Parts, shape: Shape) -> Ends:
    """A linear path beside a deep one (Cheng et al. 2016)."""
    x = first = keras.Input(shape)
    for _ in range(parts.get("depth", 2)):
        x = parts.unit(x, layers.Dense, parts.get("width", 24))
    return first, parts.head(layers.Concatenate()([x, first]))


def recommender(parts: Parts, shape: Shape) -> Ends:
    """Two embeddings, their product and a dense layer."""
    first = keras.Input(shape, dtype="int64")
    size = parts.get("width", 8)
    scale = parts.get("embedding", 0.3)
    sides = [
        layers.Embedding(
            20, size, embeddings_initializer=keras.initializers.RandomNormal(0, scale)
        )(first[:, at])
        for at in range(2)
    ]
    x = layers.Concatenate()([layers.Multiply()(sides), *sides])
    for _ in range(parts.get("depth", 1)):
        x = parts.unit(x, layers.Dense, 16)
    return first, parts.head(x)


def sets(parts: Parts, shape: Shape) -> Ends:
    """The same layers for each point, then the largest value (Qi et al. 2017)."""
    x = first = keras.Input(shape)
    for _ in range(parts.get("depth", 2)):
        x = parts.unit(x, layers.Dense, parts.get("width", 24))
    pool = {"max": layers.GlobalMaxPooling1D, "mean": layers.GlobalAveragePooling1D}
    x = pool[parts.get("pool", "max")]()(x)
    return first, parts.head(parts.dense(parts.get("width", 24))(x))


def cnn(parts: Parts, shape: Shape) -> Ends:
    """Convolutions with pooling."""
    x = first = keras.Input(shape)
    for width in parts.get("filters", [8, 16]):
        x = layers.MaxPooling2D()(parts.unit(x, layers.Conv2D, width, 3, padding="same"))
    flat = layers.GlobalAveragePooling2D if parts.get("pooled", False) else layers.Flatten
    return first, parts.head(parts.dense(parts.get("width", 24))(flat()(x)))


def resnet(parts: Parts, shape: Shape) -> Ends:
    """Blocks of two convolutions with a shortcut (He et al. 2016)."""
    x = first = keras.Input(shape)
    width = parts.get("width", 8)
    x = parts.made(layers.Conv2D, width, 3, strides=2, padding="same")(x)
    for _ in range(parts.get("depth", 2)):
        y = x
        for _ in range(2):
            y = parts.norm(y) if parts.get("norm", "batch") else y
            y = layers.Activation(parts.get("activation", "relu"))(y)
            y = parts.made(layers.Conv2D, width, 3, padding="same")(y)
        x = layers.Add()([x, y])
    x = parts.norm(x) if parts.get("norm", "batch") else x
    return first, parts.head(layers.GlobalAveragePooling2D()(layers.ReLU()(x)))


def unet(parts: Parts, shape: Shape) -> Ends:
    """Down and up again, with the fine grid joined in (Ronneberger et al. 2015)."""
    x = first = keras.Input(shape)
    width, fine = parts.get("width", 6), []
    for level in range(2):
        x = parts.unit(x, layers.Conv2D, width * 2**level, 3, padding="same")
        fine.append(x)
        x = layers.MaxPooling2D()(x)
    x = parts.unit(x, layers.Conv2D, 4 * width, 3, padding="same")
    for level in (1, 0):
        x = layers.Concatenate()([layers.UpSampling2D()(x), fine[level]])
        x = parts.unit(x, layers.Conv2D, width * 2**level, 3, padding="same")
    return first, parts.head(x, 1)


def vit(parts: Parts, shape: Shape) -> Ends:
    """Patches of 4 x 4 as a sequence (Dosovitskiy et al. 2021)."""
    first = keras.Input(shape)
    width = parts.get("width", 16)
    x = parts.made(layers.Conv2D, width, 4, strides=4)(first)
    x = Position()(layers.Reshape((-1, width))(x))
    for _ in range(parts.get("depth", 1)):
        x = sequences.attention_block(parts, x)
    return first, parts.head(layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x)))


def mixer(parts: Parts, shape: Shape) -> Ends:
    """Dense layers over places and over channels in turn (Tolstikhin et al. 2021)."""
    first = keras.Input(shape)
    width = parts.get("width", 12)
    x = layers.Reshape((-1, width))(parts.made(layers.Conv2D, width, 4, strides=4)(first))
    for _ in range(parts.get("depth", 2)):
        y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        y = layers.Dense(x.shape[1])(parts.dense(16)(y))
        x = layers.Add()([x, layers.Permute((2, 1))(y)])
        y = layers.Dense(width)(parts.dense(24)(layers.LayerNormalization()(x)))
        x = layers.Add()([x, y])
    return first, parts.head(layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x)))


def backbone(parts: Parts, shape: Shape) -> Ends:
    """Convolutions that are not trained, under dense layers that are."""
    x = first = keras.Input(shape)
    for width in parts.get("filters", [12, 24]):
        conv = layers.Conv2D(width, 3, padding="same", activation="relu", trainable=False)
        x = layers.MaxPooling2D()(conv(x))
    x = layers.Flatten()(x)
    for _ in range(parts.get("depth", 1)):
        x = parts.unit(x, layers.Dense, parts.get("width", 32))
    return first, parts.head(x)


def autoencoder(parts: Parts, shape: Shape) -> Ends:
    """Through a bottleneck and back."""
    x = first = keras.Input(shape)
    for width in parts.get("hidden", [24, 6, 24]):
        x = parts.unit(x, layers.Dense, width)
    return first, parts.head(x)


class _Sample(layers.Layer):  # type: ignore[misc]
    """Draws from a normal law and adds its distance from the unit law to the loss."""

    def __init__(self, weight: float, guarded: bool) -> None:
        super().__init__(name="sample")
        self.weight, self.guarded = weight, guarded
        self.noise = keras.random.SeedGenerator(0)

    def call(self, x: Any, training: bool = False) -> Any:
        mean, log = ops.split(x, 2, axis=-1)
        size = ops.exp(log) if self.guarded else ops.exp(40.0 * log)
        distance = 0.5 * ops.mean(ops.square(mean) + size - 1.0 - log)
        self.add_loss(self.weight * distance)
        if not training:
            return mean
        return mean + ops.sqrt(size) * keras.random.normal(ops.shape(mean), seed=self.noise)

    def compute_output_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] // 2)


def vae(parts: Parts, shape: Shape) -> Ends:
    """An autoencoder with noise in the middle, whose layer adds to the loss (Kingma 2014)."""
    first = keras.Input(shape)
    x = parts.unit(first, layers.Dense, parts.get("width", 24))
    x = parts.dense(2 * parts.get("kept", 4), None)(x)
    x = _Sample(parts.get("weight", 0.002), parts.get("guarded", True))(x)
    return first, parts.head(parts.unit(x, layers.Dense, parts.get("width", 24)))


NETWORKS: Mapping[str, Callable[[Parts, Shape], Ends]] = {
    function.__name__: function
    for function in (
        mlp, highway, wide_and_deep, recommender, sets, cnn, resnet, unet, vit, mixer, backbone,
        autoencoder, vae, sequences.transformer, sequences.recurrent, sequences.seq2seq,
        sequences.dilated,
    )
}  # fmt: skip
