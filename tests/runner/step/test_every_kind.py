"""Every other layer of Keras in one model: each has a row, with figures or with the reason why not.

Figures of the kinds with weights, and of those between them, are proven in test_convolutions,
test_attention, test_recurrent and test_structure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope.record import UnmeasuredReason
from tests.runner.measuring import BATCH, inputs, step

pytestmark = pytest.mark.tensorflow

SHAPES: dict[str, tuple[int, ...]] = {
    "vector": (4,),
    "sequence": (6, 2),
    "image": (6, 6, 3),
    "volume": (4, 4, 4, 1),
}
KINDS: dict[str, tuple[str, Callable[[Any], Any], UnmeasuredReason | None]] = {
    "ActivityRegularization": ("vector", lambda k: k(l2=0.1), None),
    "AdaptiveAveragePooling1D": ("sequence", lambda k: k(2), None),
    "AdaptiveMaxPooling2D": ("image", lambda k: k(2), None),
    "AlphaDropout": ("vector", lambda k: k(0.2), UnmeasuredReason.RANDOM_VALUES),
    "AveragePooling1D": ("sequence", lambda k: k(2), None),
    "AveragePooling2D": ("image", lambda k: k(2), None),
    "AveragePooling3D": ("volume", lambda k: k(2), None),
    "CategoryEncoding": ("words", lambda k: k(5, "multi_hot"), None),
    "CenterCrop": ("image", lambda k: k(4, 4), None),
    "Cropping1D": ("sequence", lambda k: k(1), UnmeasuredReason.MOVED_VALUES),
    "Cropping2D": ("image", lambda k: k(1), UnmeasuredReason.MOVED_VALUES),
    "Cropping3D": ("volume", lambda k: k(1), UnmeasuredReason.MOVED_VALUES),
    "Discretization": ("vector", lambda k: k([0.0, 1.0]), UnmeasuredReason.NOT_FLOATING_POINT),
    "EinsumDense": ("sequence", lambda k: k("btf,fg->btg", (6, 3), bias_axes="g"), None),
    "Embedding": ("words", lambda k: k(5, 3), None),
    "GaussianDropout": ("vector", lambda k: k(0.2), UnmeasuredReason.RANDOM_VALUES),
    "GlobalAveragePooling3D": ("volume", lambda k: k(), None),
    "GlobalMaxPooling1D": ("sequence", lambda k: k(), None),
    "GlobalMaxPooling2D": ("image", lambda k: k(), None),
    "GroupNormalization": ("image", lambda k: k(3), None),
    "Identity": ("vector", lambda k: k(), UnmeasuredReason.UNCHANGED_VALUES),
    "Lambda": ("vector", lambda k: k(lambda x: x * 2), None),
    "Masking": ("sequence", lambda k: k(0.5), UnmeasuredReason.MOVED_VALUES),
    "MaxPooling1D": ("sequence", lambda k: k(2), None),
    "MaxPooling3D": ("volume", lambda k: k(2), None),
    "Permute": ("sequence", lambda k: k((2, 1)), UnmeasuredReason.UNCHANGED_VALUES),
    "RandomFlip": ("image", lambda k: k(), None),
    "RepeatVector": ("vector", lambda k: k(2), UnmeasuredReason.MOVED_VALUES),
    "Rescaling": ("image", lambda k: k(0.5), None),
    "Resizing": ("image", lambda k: k(3, 3), None),
    "Reshape": ("vector", lambda k: k((2, 2)), UnmeasuredReason.UNCHANGED_VALUES),
    "ReversibleEmbedding": ("words", lambda k: k(5, 3), None),
    "SpatialDropout3D": ("volume", lambda k: k(0.2), UnmeasuredReason.RANDOM_VALUES),
    "UnitNormalization": ("vector", lambda k: k(), None),
    "UpSampling1D": ("sequence", lambda k: k(2), None),
    "UpSampling2D": ("image", lambda k: k(2, interpolation="bilinear"), None),
    "UpSampling3D": ("volume", lambda k: k(2), None),
    "ZeroPadding1D": ("sequence", lambda k: k(1), UnmeasuredReason.MOVED_VALUES),
    "ZeroPadding2D": ("image", lambda k: k(1), UnmeasuredReason.MOVED_VALUES),
    "ZeroPadding3D": ("volume", lambda k: k(1), UnmeasuredReason.MOVED_VALUES),
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
        assert (told[kind].measured, told[kind].reason) == (reason is None, reason), kind
    for name in (*PAIRS, "inside", "joined", "head", *(k for k in present if not KINDS[k][2])):
        figures = measured.figures[name]
        assert figures["activation_second_moment"] > 0, name
        assert figures["delta_second_moment"] > 0, name
        assert figures["nonfinite_count"] == 0, name
