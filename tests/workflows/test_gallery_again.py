"""The papers that take minutes: what their tables accept holds for networks of plain NumPy.

`make gallery` measures them with gradscope and writes reports/README.md. Here the same statements
are computed without it: float64 forward and backward passes, other draws of the weights.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest

from gradscope.datasets.loading import load
from tests.test_committed_reports import accepted

Floats = np.ndarray[Any, np.dtype[np.float64]]
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def relu(z: Floats) -> tuple[Floats, Floats]:
    return np.maximum(z, 0.0), (z > 0).astype(z.dtype)


def selu(z: Floats) -> tuple[Floats, Floats]:
    low = SELU_ALPHA * np.expm1(np.minimum(z, 0.0))
    a = SELU_SCALE * np.where(z > 0, z, low)
    return a, SELU_SCALE * np.where(z > 0, 1.0, low + SELU_ALPHA)


@dataclass
class Network:
    """Dense layers with an activation, softmax and cross-entropy, trained by gradient descent.

    `norm` places a batch norm (no scale, no shift, which start at 1 and 0) ``before`` the
    activation or ``after`` it; with ``after`` also at the input.
    """

    widths: tuple[int, ...]
    activation: Callable[[Floats], tuple[Floats, Floats]]
    gain: float
    norm: str = ""
    seed: int = 0
    dtype: str = "f8"
    weights: list[Floats] = field(default_factory=list)
    deltas: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        *hidden, last = zip(self.widths, self.widths[1:], strict=False)
        self.weights = [rng.normal(0, math.sqrt(self.gain / n), (n, m)) for n, m in hidden]
        bound = math.sqrt(6 / sum(last))
        self.weights.append(rng.uniform(-bound, bound, last))
        self.weights = [w.astype(self.dtype) for w in self.weights]

    def signal(self, x: Floats) -> float:
        """The rms of z in the last hidden layer, without a norm."""
        z = x
        for w in self.weights[:-1]:
            z = (self.activation(z)[0] if z is not x else x) @ w
        return float(np.sqrt(np.mean(z**2)))

    def step(self, x: Floats, y: np.ndarray[Any, Any], rate: float) -> float:
        """One step; the loss before it. `deltas` are the rms of dL/dz of each hidden layer."""
        passed: list[tuple[Floats, Floats, tuple[Floats, Floats] | None]] = []
        a = normed(x)[0] if self.norm == "after" else x
        for w in self.weights[:-1]:
            z, fed, moments = a @ w, a, None
            if self.norm == "before":
                z, moments = normed(z)
            a, slope = self.activation(z)
            if self.norm == "after":
                a, moments = normed(a)
            passed.append((fed, slope, moments))
        logits = a @ self.weights[-1]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = float(-np.mean(np.log(p[np.arange(len(y)), y])))
        p[np.arange(len(y)), y] -= 1.0
        delta = p / len(y)
        gradients = [a.T @ delta]
        delta = delta @ self.weights[-1].T
        self.deltas = []
        for w, (fed, slope, moments) in zip(self.weights[-2::-1], passed[::-1], strict=True):
            if moments is not None and self.norm == "after":
                delta = normed_back(delta, moments)
            delta = delta * slope
            if moments is not None and self.norm == "before":
                delta = normed_back(delta, moments)
            self.deltas.insert(0, float(np.sqrt(np.mean(delta**2))))
            gradients.append(fed.T @ delta)
            if len(gradients) < len(self.weights):  # nothing reads that of the input
                delta = delta @ w.T
        for weights, gradient in zip(self.weights, gradients[::-1], strict=True):
            weights -= rate * gradient  # noqa: PLW2901 - in place
        return loss


def normed(z: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
    """Batch norm of z [batch, unit] and what its way back needs; epsilon is Keras's."""
    deviation = np.sqrt(z.var(axis=0) + 1e-3)
    out = (z - z.mean(axis=0)) / deviation
    return out, (out, deviation)


def normed_back(delta: Floats, moments: tuple[Floats, Floats]) -> Floats:
    out, deviation = moments
    centred = delta - delta.mean(axis=0) - out * (delta * out).mean(axis=0)
    answer: Floats = centred / deviation
    return answer


@cache
def images(scaling: str) -> tuple[Floats, np.ndarray[Any, Any]]:
    samples = load("fashion_mini", {}, scaling, 32)
    return samples.x.reshape(len(samples.x), -1).astype(np.float64), samples.y


def trained(network: Network, steps: int, batch: int, rate: float, scaling: str) -> Floats:
    """The loss of each step."""
    x, y = images(scaling)
    order = np.random.default_rng(1).permutation(len(x))
    rows = [np.take(order, range(i * batch, (i + 1) * batch), mode="wrap") for i in range(steps)]
    return np.array([network.step(x[at].astype(network.dtype), y[at], rate) for at in rows])


def test_the_steps_are_those_of_finite_differences() -> None:
    """The oracle first: a weight of each layer, with batch norm at either place."""
    x = np.random.default_rng(2).normal(size=(16, 5))
    y = np.arange(16) % 3
    for norm in ("", "before", "after"):
        for layer in range(3):

            def loss(shift: float, norm: str = norm, layer: int = layer) -> float:
                made = Network((5, 7, 6, 3), selu, 1.0, norm)
                made.weights[layer][1, 2] += shift
                return made.step(x, y, 0.0)

            moved = Network((5, 7, 6, 3), selu, 1.0, norm)
            before = moved.weights[layer][1, 2]
            moved.step(x, y, 1.0)
            slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
            assert before - moved.weights[layer][1, 2] == pytest.approx(slope, rel=1e-5)


def test_geron_selu_against_relu() -> None:
    """Depth as in the gallery; narrower layers and fewer steps, to be quick."""
    (low, high), (_, most), (_, better) = accepted("geron_2022_selu")
    x, _ = images("standardize")
    levels = [
        Network((784, *[100] * 100, 10), selu, 1.0, seed=seed).signal(x[:32]) for seed in range(2)
    ]
    assert low <= math.sqrt(levels[0] * levels[1]) <= high
    share = {}
    for activation, gain in ((selu, 1.0), (relu, 2.0)):
        network = Network((784, *[50] * 100, 10), activation, gain)
        losses = trained(network, 60, 32, 0.001, "standardize")
        share[activation] = float(np.median(losses[-15:]) / losses[0])
    assert share[selu] < most
    assert share[selu] / share[relu] < better


def test_geron_batch_norm() -> None:
    """The gallery's statement with other draws of weights and batches, in float32."""
    (count, _), (low, high) = accepted("geron_2022_batch_norm")
    widths = (784, 300, 100, 10)
    dense = sum(fed * units + units for fed, units in itertools.pairwise(widths))
    assert count == dense + 4 * sum(widths[:3])  # shift, scale and both moving statistics
    late = {
        norm: trained(Network(widths, relu, 2.0, norm, dtype="f4"), 200, 32, 0.01, "standardize")[
            100:
        ]
        for norm in ("after", "")
    }
    assert low < late["after"].mean() / late[""].mean() < high


def test_yang_explosion() -> None:
    """A quarter of the gallery's width, which costs the rate about 3 % (finite width)."""
    (low, high), (_, calm) = accepted("yang_2019")
    network = Network((784, *[128] * 30, 10), relu, 2.0, "before")
    ratios = []
    for _ in range(10):
        trained(network, 1, 128, 0.1, "standardize")
        ratios.append(network.deltas[0] / network.deltas[-1])
    assert low * 0.97 < ratios[0] ** (2 / 29) < high * 1.03
    assert ratios[-1] / ratios[0] < calm


@pytest.mark.tensorflow
def test_xiong_by_gradient_tape() -> None:
    """The gallery's own networks without gradscope's step: Keras and one tape."""
    (more, _), (low, high) = accepted("xiong_2020")
    import keras
    import tensorflow as tf

    from gradscope.integrations.gallery_networks import transformer

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 200)).astype("float32"), rng.integers(0, 10, 64)
    rms = {}
    for norm in ("pre", "post"):
        keras.utils.set_random_seed(0)
        model = transformer(norm=norm)
        kernels = [model.get_layer(f"outer_{i}").kernel.value for i in range(1, 7)]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, model(x)))
        rms[norm] = [float(np.sqrt(np.mean(np.square(g)))) for g in tape.gradient(loss, kernels)]
    growth = {norm: values[-1] / values[0] for norm, values in rms.items()}
    assert growth["post"] / growth["pre"] > more
    assert low < rms["post"][-1] / rms["pre"][-1] < high
