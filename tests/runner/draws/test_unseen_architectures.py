"""Faults in architectures that took no part in the design; benchmarks/expectation counts more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.analyzer.theory import own_weights
from gradscope.analyzer.theory.graph_causes import design_causes
from gradscope.theory.ledger_causes import LedgerKind
from tests.runner.draws.starts import Starts, images

pytestmark = pytest.mark.tensorflow


def _siamese() -> Any:
    """One tower on two images, and their distance."""
    import keras
    from keras import layers

    tower = [
        layers.Conv2D(8, 3, activation="relu", name="shared"),
        layers.Flatten(),
        layers.Dense(16, "sigmoid", name="top"),
    ]
    start = keras.Input((8, 8, 3))
    ends = []
    for image in (start, start[:, ::-1]):
        x = image
        for layer in tower:
            x = layer(x)
        ends.append(x)
    distance = keras.ops.abs(ends[0] - ends[1])
    return keras.Model(start, layers.Dense(3, "softmax", name="classes")(distance))


def test_a_shared_layer_is_named_by_its_first_call(tensorflow_once: Any) -> None:
    starts = Starts(_siamese, images(), draws=16)
    assert own_weights.off_layers(starts.as_made) == ()

    def doubled(model: Any) -> None:
        kernel = model.get_layer("shared").kernel
        kernel.assign(2.0 * kernel)

    off = own_weights.off_weights(starts.another(doubled))
    assert off.names[0] == "shared" and off.ratios[0].factor == pytest.approx(2.0, rel=0.1)
    assert set(off.names) <= {"shared", "shared#2"}


def _convnext(unscaled: int | None = None, blocks: int = 4) -> Any:
    """Depthwise convolution, norm, two Dense layers and a layer scale of 1e-6, one perhaps of 1."""
    import keras
    from keras import layers

    law = keras.initializers.TruncatedNormal
    start = keras.Input((8, 8, 3))
    x = layers.Conv2D(12, 2, strides=2, kernel_initializer=law(stddev=0.02))(start)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    for block in range(blocks):
        y = layers.DepthwiseConv2D(3, padding="same", depthwise_initializer=law(stddev=0.02))(x)
        y = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Dense(24, activation="gelu", kernel_initializer=law(stddev=0.02))(y)
        y = layers.Dense(12, kernel_initializer=law(stddev=0.02))(y)
        y = layers.EinsumDense(
            "...c,c->...c",
            (12,),
            kernel_initializer=keras.initializers.Constant(1.0 if block == unscaled else 1e-6),
            name=f"scale_{block}",
        )(y)
        x = layers.Add(name=f"sum_{block}")([x, y])
    x = layers.LayerNormalization(epsilon=1e-6)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(start, layers.Dense(3, "softmax", name="classes")(x))


def test_the_block_without_its_layer_scale_is_named(tensorflow_once: Any) -> None:
    record = Starts(lambda: _convnext(unscaled=2), images(), draws=8).as_made
    odd = [cause for cause in design_causes(record) if cause.kind is LedgerKind.ODD_BLOCK]
    assert [cause.layers for cause in odd] == [("scale_2", "sum_2")]
    assert np.log10(odd[0].each) == pytest.approx(6.0, abs=0.2)
    sound = Starts(_convnext, images(), draws=8).as_made
    assert LedgerKind.ODD_BLOCK not in {cause.kind for cause in design_causes(sound)}
