"""The oracle agrees with Keras, when Keras computes in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.oracle.activations import ACTIVATIONS, activate, derivative
from tests.oracle.examples import ARCHITECTURES, PARAMETERS, make_network
from tests.oracle.numpy_network import BatchNorm, DenseLayer, Network, run

pytestmark = pytest.mark.tensorflow
INPUT = -1
LOSSES = {
    "softmax": "SparseCategoricalCrossentropy",
    "sigmoid": "BinaryCrossentropy",
    "linear": "MeanSquaredError",
}


def keras_activation(name: str):
    import keras

    if name == "gelu":  # tf.nn.gelu rounds the root of 2 to float32, also for float64 inputs
        return lambda z: 0.5 * z * (1.0 + keras.ops.erf(z / math.sqrt(2.0)))
    return lambda z: getattr(keras.activations, name)(z, **PARAMETERS.get(name, {}))


def keras_norm(norm: BatchNorm):
    import keras

    layer = keras.layers.BatchNormalization(epsilon=norm.epsilon, momentum=0.9, dtype="float64")
    layer.build((None, norm.gamma.size))
    layer.set_weights([norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance])
    return layer


def keras_dense(layer: DenseLayer):
    import keras

    dense = keras.layers.Dense(
        layer.kernel.shape[1], use_bias=layer.bias is not None, dtype="float64"
    )
    dense.build((None, layer.kernel.shape[0]))
    dense.set_weights([layer.kernel] if layer.bias is None else [layer.kernel, layer.bias])
    return dense


def keras_pass(network: Network, x: np.ndarray, y: np.ndarray, masks: dict):
    """The loss and, by (layer, name), everything it can be differentiated by."""
    import keras
    import tensorflow as tf

    loss_function = getattr(keras.losses, LOSSES[network.layers[-1].activation])(dtype="float64")
    seen, norms = {}, {}
    with tf.GradientTape() as tape:
        signal = tf.reshape(tf.constant(x), (len(x), -1))
        if network.input_batch_norm is not None:
            norms[INPUT] = keras_norm(network.input_batch_norm)
            signal = norms[INPUT](signal, training=True)
        for index, layer in enumerate(network.layers):
            dense = keras_dense(layer)
            if layer.batch_norm is not None:
                norms[index] = keras_norm(layer.batch_norm)
            signal = dense(signal)
            if index in norms and layer.placement == "before_activation":
                signal = norms[index](signal, training=True)
            seen[index, "z"] = signal
            signal = keras_activation(layer.activation)(signal)
            if index in norms and layer.placement == "after_activation":
                signal = norms[index](signal, training=True)
            signal = signal * masks[index] if index in masks else signal
            seen[index, "kernel"] = dense.kernel.value
            if layer.bias is not None:
                seen[index, "bias"] = dense.bias.value
        for place, norm in norms.items():
            seen[place, "gamma"], seen[place, "beta"] = norm.gamma.value, norm.beta.value
        loss = loss_function(y.reshape(len(y), -1), signal)
    assert loss.dtype == tf.float64
    gradients = {key: value.numpy() for key, value in tape.gradient(loss, seen).items()}
    moving = {k: (n.moving_mean.numpy(), n.moving_variance.numpy()) for k, n in norms.items()}
    return loss.numpy(), gradients, moving


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: "-".join(map(str, a)))
def test_loss_gradients_and_moving_statistics(architecture: tuple) -> None:
    network, x, y, masks = make_network(architecture)
    loss, gradients, moving = keras_pass(network, x, y, masks)
    result = run(network, x, y, masks=masks)
    assert result.loss == pytest.approx(loss, rel=1e-10)
    norms = {INPUT: result.input_batch_norm}
    norms |= {index: one.batch_norm for index, one in enumerate(result.layers)}
    expected = {}
    for index, one in enumerate(result.layers):
        expected[index, "z"] = one.delta / len(x)
        expected[index, "kernel"] = one.kernel_gradient
        expected[index, "bias"] = one.bias_gradient
    for place, norm in norms.items():
        if norm is not None:
            expected[place, "gamma"] = norm.gamma_gradient
            expected[place, "beta"] = norm.beta_gradient
            np.testing.assert_allclose(moving[place], norm.moved(0.9), rtol=1e-10)
    assert set(gradients) == {key for key, value in expected.items() if value is not None}
    for key, gradient in gradients.items():
        np.testing.assert_allclose(
            gradient, expected[key], rtol=1e-10, atol=1e-15, err_msg=str(key)
        )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_derivatives(name: str) -> None:
    """Also at 0, where the derivative of some is a convention."""
    import tensorflow as tf

    z = np.append(np.linspace(-8.0, 8.0, 400), 0.0)
    with tf.GradientTape() as tape:
        point = tf.constant(z)
        tape.watch(point)
        value = keras_activation(name)(point)
    slope = tape.gradient(value, point).numpy()
    parameters = PARAMETERS.get(name, {})
    np.testing.assert_allclose(value.numpy(), activate(name, z, parameters), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(slope, derivative(name, z, parameters), rtol=1e-10, atol=1e-13)


def test_elu_with_alpha_one_at_zero() -> None:
    import keras
    import tensorflow as tf

    with tf.GradientTape() as tape:
        point = tf.zeros(1, tf.float64)
        tape.watch(point)
        value = keras.activations.elu(point)
    assert tape.gradient(value, point).numpy() == derivative("elu", np.zeros(1), {}) == 1.0


def test_keras_gelu_is_exact_to_float32() -> None:
    import keras

    z = np.linspace(-4.0, 4.0, 100)
    value = keras.activations.gelu(z, approximate=False).numpy()
    np.testing.assert_allclose(value, activate("gelu", z, {}), rtol=1e-6)
