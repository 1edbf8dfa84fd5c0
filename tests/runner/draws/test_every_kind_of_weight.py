"""Draws of every kind of weight that Keras makes: draw 0, other draws, and their size."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradscope.record.initial_draws import WeightDraw

pytestmark = pytest.mark.tensorflow

IMAGE, ROW, VOLUME = (None, 9, 9, 4), (None, 9, 4), (None, 5, 5, 5, 4)


def _layers() -> list[tuple[Any, Any]]:
    """Layers with the shapes that they are built for."""
    import keras
    from keras import layers

    laws = ("orthogonal", "truncated_normal", "lecun_uniform", "random_normal", "he_normal")
    dense = [(layers.Dense(7, kernel_initializer=law), (None, 5)) for law in laws]
    wide = layers.Conv2D(8, 3, groups=2, kernel_initializer="he_uniform")
    narrow = layers.Conv2D(8, 3, dilation_rate=2)
    einsum = layers.EinsumDense("abc,cde->abde", (None, 3, 2), bias_axes="e")
    rows = [
        *dense,
        (layers.Conv1D(6, 3), ROW),
        (wide, IMAGE),
        (narrow, IMAGE),
        (layers.Conv3D(6, 2), VOLUME),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), IMAGE),
        (layers.SeparableConv2D(5, 3), IMAGE),
        (layers.SeparableConv1D(5, 3), ROW),
        (layers.Conv1DTranspose(5, 3), ROW),
        (layers.Conv2DTranspose(5, 3, strides=2), IMAGE),
        (einsum, (None, 6, 4)),
        (layers.MultiHeadAttention(2, 3), ((None, 6, 4), (None, 6, 4))),
        (layers.GroupQueryAttention(3, 4, 2), ((None, 6, 4), (None, 6, 4))),
        (layers.Embedding(11, 5), (None, 6)),
        (layers.SimpleRNN(4), (None, 6, 4)),
        (layers.LSTM(4), (None, 6, 4)),
        (layers.GRU(4), (None, 6, 4)),
        (layers.Bidirectional(layers.LSTM(3)), (None, 6, 4)),
        (layers.TimeDistributed(layers.Dense(3)), (None, 6, 4)),
        (layers.ConvLSTM2D(3, 2), (None, 3, 6, 6, 2)),
        (layers.PReLU(alpha_initializer="random_uniform"), (None, 4)),
        (layers.BatchNormalization(gamma_initializer="random_uniform"), (None, 4)),
        (layers.LayerNormalization(), (None, 4)),
        (layers.GroupNormalization(2), (None, 4)),
        (layers.RMSNormalization(), (None, 4)),
        (layers.SpectralNormalization(layers.Dense(3)), (None, 4)),
    ]
    keras.utils.set_random_seed(4)
    return rows


@pytest.fixture(scope="module")
def redraw(tensorflow_once: Any) -> Any:
    """All of them built, and drawn in one trace."""
    from gradscope.runner.draws.redraw import Redraw
    from gradscope.runner.draws.weight_laws import recorded_laws

    with recorded_laws() as laws:
        layers = _layers()
        for layer, shape in layers:
            layer.build(*shape) if isinstance(shape[0], tuple) else layer.build(shape)
    weights = [weight for layer, _ in layers for weight in layer.weights]
    model = SimpleNamespace(weights=weights)
    return SimpleNamespace(model=model, draw=Redraw(model, laws.of_weights(weights)), laws=laws)


def _values(redraw: Any) -> list[Any]:
    return [np.array(weight) for weight in redraw.model.weights]


def test_every_kind_of_layer_gives_back_its_own_weights(redraw: Any) -> None:
    own = _values(redraw)
    redraw.draw(0)
    drawn = [item.drawn for item in redraw.draw.weights]
    for weight, before, after, again in zip(
        redraw.model.weights, own, _values(redraw), drawn, strict=True
    ):
        random = before.size > 1 and float(np.std(before)) > 0
        unit = "lstm" in weight.path and weight.path.endswith("bias")  # ones and zeros
        state = "seed" in weight.path
        assert again or not random or unit or state, weight.path
        if again:
            assert before.tobytes() == after.tobytes(), weight.path
    redraw.draw.restore()
    kinds = {item.draw for item in redraw.draw.weights}
    assert WeightDraw.AS_MADE in kinds
    assert not kinds & {WeightDraw.OTHER_VALUES, WeightDraw.NOT_TRACED}
    assert sum(drawn) >= 40


def test_other_draws_differ_in_every_random_weight_and_in_no_constant_one(redraw: Any) -> None:
    seen = []
    for draw in (1, 2):
        redraw.draw(draw)
        seen.append(_values(redraw))
    redraw.draw.restore()
    for item, first, second in zip(redraw.draw.weights, *seen, strict=True):
        same = first.tobytes() == second.tobytes()
        assert same is not item.drawn, item
        if item.drawn:
            assert np.mean(first == second) < 0.1 or first.ndim < 2, item


def test_the_mean_square_of_draws_is_that_of_the_initializer_itself(redraw: Any) -> None:
    """Called outside the trace, with seeds of its own, as often as it is drawn."""
    import keras

    laws = {id(law.variable): law for law in redraw.laws.by_variable.values()}
    chosen = [
        (at, laws[id(weight)])
        for at, weight in enumerate(redraw.model.weights)
        if redraw.draw.weights[at].drawn and len(weight.shape) > 1
    ]
    drawn: dict[int, list[float]] = {at: [] for at, _ in chosen}
    for draw in range(1, 41):
        redraw.draw(draw)
        for at, _ in chosen:
            drawn[at].append(float(np.mean(np.square(redraw.model.weights[at]))))
    redraw.draw.restore()
    for at, law in chosen:
        config = law.initializer.get_config()
        others = []
        for seed in range(40):
            made = type(law.initializer).from_config(config | {"seed": 1000 + seed})
            values = keras.ops.convert_to_numpy(made(law.variable.shape, law.variable.dtype))
            others.append(float(np.mean(np.square(values))))
        error = np.hypot(np.std(drawn[at], ddof=1), np.std(others, ddof=1)) / np.sqrt(40)
        difference = abs(np.mean(drawn[at]) - np.mean(others))
        assert difference <= 4.0 * error + 1e-6 * np.mean(others), law.variable.path


def test_one_initializer_object_gives_all_its_weights_the_same_draw(tensorflow_once: Any) -> None:
    import keras

    from gradscope.runner.draws.redraw import Redraw
    from gradscope.runner.draws.weight_laws import recorded_laws

    with recorded_laws() as laws:
        shared = keras.initializers.HeNormal()
        dense = [keras.layers.Dense(6, kernel_initializer=shared) for _ in range(3)]
        for layer in dense:
            layer.build((None, 6))
    weights = [layer.kernel for layer in dense]
    draw = Redraw(SimpleNamespace(weights=weights), laws.of_weights(weights))
    assert {item.draw for item in draw.weights} == {WeightDraw.AS_MADE}
    for number in (1, 2):
        draw(number)
        first, *others = (np.array(weight) for weight in weights)
        assert all(first.tobytes() == other.tobytes() for other in others)
