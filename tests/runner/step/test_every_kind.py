"""Every other layer of Keras in one model: each has a row, with figures or with the reason why not.

Figures of the kinds with weights, and of those between them, are proven in test_convolutions,
test_attention, test_recurrent and test_structure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.runner.measuring import BATCH, inputs, step

pytestmark = pytest.mark.tensorflow

SHAPES: dict[str, tuple[int, ...]] = {
    "vector": (4,),
    "sequence": (6, 2),
    "image": (6, 6, 3),
    "volume": (4, 4, 4, 1),
}
COMPUTES_NOTHING = "computes nothing"
KINDS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "ActivityRegularization": ("vector", lambda k: k(l2=0.1), ""),
    "AdaptiveAveragePooling1D": ("sequence", lambda k: k(2), ""),
    "AdaptiveMaxPooling2D": ("image", lambda k: k(2), ""),
    "AlphaDropout": ("vector", lambda k: k(0.2), "changed at random"),
    "AveragePooling1D": ("sequence", lambda k: k(2), ""),
    "AveragePooling2D": ("image", lambda k: k(2), ""),
    "AveragePooling3D": ("volume", lambda k: k(2), ""),
    "CategoryEncoding": ("words", lambda k: k(5, "multi_hot"), ""),
    "CenterCrop": ("image", lambda k: k(4, 4), ""),
    "Cropping1D": ("sequence", lambda k: k(1), COMPUTES_NOTHING),
    "Cropping2D": ("image", lambda k: k(1), COMPUTES_NOTHING),
    "Cropping3D": ("volume", lambda k: k(1), COMPUTES_NOTHING),
    "Discretization": ("vector", lambda k: k([0.0, 1.0]), "not a floating-point tensor"),
    "EinsumDense": ("sequence", lambda k: k("btf,fg->btg", (6, 3), bias_axes="g"), ""),
    "Embedding": ("words", lambda k: k(5, 3), ""),
    "GaussianDropout": ("vector", lambda k: k(0.2), "changed at random"),
    "GlobalAveragePooling3D": ("volume", lambda k: k(), ""),
    "GlobalMaxPooling1D": ("sequence", lambda k: k(), ""),
    "GlobalMaxPooling2D": ("image", lambda k: k(), ""),
    "GroupNormalization": ("image", lambda k: k(3), ""),
    "Identity": ("vector", lambda k: k(), COMPUTES_NOTHING),
    "Lambda": ("vector", lambda k: k(lambda x: x * 2), ""),
    "Masking": ("sequence", lambda k: k(0.5), COMPUTES_NOTHING),
    "MaxPooling1D": ("sequence", lambda k: k(2), ""),
    "MaxPooling3D": ("volume", lambda k: k(2), ""),
    "Permute": ("sequence", lambda k: k((2, 1)), COMPUTES_NOTHING),
    "RandomFlip": ("image", lambda k: k(), ""),
    "RepeatVector": ("vector", lambda k: k(2), COMPUTES_NOTHING),
    "Rescaling": ("image", lambda k: k(0.5), ""),
    "Resizing": ("image", lambda k: k(3, 3), ""),
    "Reshape": ("vector", lambda k: k((2, 2)), COMPUTES_NOTHING),
    "ReversibleEmbedding": ("words", lambda k: k(5, 3), ""),
    "SpatialDropout3D": ("volume", lambda k: k(0.2), "changed at random"),
    "UnitNormalization": ("vector", lambda k: k(), ""),
    "UpSampling1D": ("sequence", lambda k: k(2), ""),
    "UpSampling2D": ("image", lambda k: k(2, interpolation="bilinear"), ""),
    "UpSampling3D": ("volume", lambda k: k(2), ""),
    "ZeroPadding1D": ("sequence", lambda k: k(1), COMPUTES_NOTHING),
    "ZeroPadding2D": ("image", lambda k: k(1), COMPUTES_NOTHING),
    "ZeroPadding3D": ("volume", lambda k: k(1), COMPUTES_NOTHING),
}
PAIRS = ("Average", "Dot", "Maximum", "Minimum", "Subtract")


def _model(kinds: list[str]) -> Any:
    """Each kind on a branch of its own, all of them joined before one Dense layer.

    Every branch starts with a Dense layer, so that each layer's input has a gradient to pass back.
    """
    import keras

    layers = keras.layers
    given = {name: keras.Input(shape, BATCH, name=name) for name, shape in SHAPES.items()}
    given["words"] = keras.Input((3,), BATCH, dtype="int32", name="words")
    floats = {
        name: layers.Dense(t.shape[-1], name=f"first_{name}")(t)
        for name, t in given.items()
        if name != "words"
    }
    started = {**floats, "words": given["words"]}
    ends = []
    for kind in kinds:
        where, make, _ = KINDS[kind]
        made = make(getattr(layers, kind))
        made.name = kind
        h = made(started[where])
        ends.append(keras.ops.reshape(keras.ops.cast(h, "float32"), (BATCH, -1)))
    for kind in PAIRS:
        options = {"axes": 1} if kind == "Dot" else {}
        pair = [floats["vector"], keras.ops.sin(floats["vector"])]
        ends.append(getattr(layers, kind)(name=kind, **options)(pair))
    spectral = layers.SpectralNormalization(layers.Dense(2, name="inside"), name="spectral")
    ends.append(spectral(floats["vector"]))
    joined = layers.Concatenate(name="joined")(ends)
    return keras.Model(given, layers.Dense(2, name="head")(joined))


def test_every_kind_has_a_row_with_figures_or_a_reason(runner_settings: Any) -> None:
    import keras

    present = [kind for kind in KINDS if hasattr(keras.layers, kind)]
    assert len(present) > 30
    model = _model(present)
    x = {name: inputs(*shape) for name, shape in SHAPES.items()}
    x["words"] = np.array([[0, 1, 2], [3, 4, 0], [1, 1, 2]], np.int32)
    measured = step(model, x, np.zeros((BATCH, 2), np.float32))
    told = {info.name: info for info in measured.layers}
    heard = {layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)}
    assert heard - set(told) == {"spectral"}  # a container is told by what it holds
    for kind in present:
        reason = KINDS[kind][2]
        assert (told[kind].measured, reason in told[kind].reason) == (not reason, True), kind
    for name in (*PAIRS, "inside", "joined", "head", *(k for k in present if not KINDS[k][2])):
        figures = measured.figures[name]
        assert figures["activation_second_moment"] > 0, name
        assert figures["delta_second_moment"] > 0, name
        assert figures["nonfinite_count"] == 0, name
