"""What passes between pairs of samples, layer by layer, against closed forms and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.depth_recursion import predict
from gradscope.theory.plain.recursion import (
    Network,
    _delta_cosine_square,
    _output_correlation_variance,
    plain_network,
)
from gradscope.theory.scope import dense_blocks
from tests.theory.test_depth_recursion import network

UNITS, DRAWS = 60, 4000


def followed(
    activation: str,
    cosine: float,
    widths: list[int],
    batch: int = 8,
    initializer: str = "glorot_uniform",
    **more: Any,
) -> Network:
    """A network whose samples are all of one class, with one cosine between any two."""
    geometry = SampleGeometry(1.0, alike=(cosine,), alike_share=1.0)
    hidden, output = dense_blocks(network(widths, activation, initializer, **more), 1.0, batch)
    return plain_network(hidden, output, geometry, batch)


def normal_pairs(rng: np.random.Generator, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    first, other = rng.standard_normal((2, DRAWS, UNITS))
    return first, correlation * first + math.sqrt(1 - correlation**2) * other


def fixed_pairs(rng: np.random.Generator, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs as orthogonal weights give them: sums of squares and products do not vary."""
    first, other = rng.standard_normal((2, DRAWS, UNITS))
    first *= math.sqrt(UNITS) / np.linalg.norm(first, axis=1, keepdims=True)
    other -= first * np.mean(first * other, axis=1, keepdims=True)
    other *= math.sqrt(UNITS) / np.linalg.norm(other, axis=1, keepdims=True)
    return first, correlation * first + math.sqrt(1 - correlation**2) * other


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine over the units of each draw."""
    lengths = np.sqrt(np.mean(a**2, axis=1) * np.mean(b**2, axis=1))
    return np.asarray(np.mean(a * b, axis=1) / lengths)


@pytest.mark.parametrize("activation", ["relu", "tanh", "selu", "softplus"])
@pytest.mark.parametrize("cosine", [0.0, 0.6])
def test_chance_correlation_of_the_signal(activation: str, cosine: float) -> None:
    """Variance of the cosine of a over 60 units, simulated: within 10 % of first order in 1 / n."""
    step = followed(activation, cosine, [50, UNITS, UNITS]).steps[0]
    rng = np.random.default_rng(1)
    entry, root = ACTIVATIONS[activation], math.sqrt(step.scale)
    a, b = (entry.value(root * z, NUMPY_OPS) for z in normal_pairs(rng, cosine))
    assert _output_correlation_variance(step)[-1] == pytest.approx(
        np.var(cosines(a, b)), rel=0.1, abs=2e-5
    )


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(("cosine", "received"), [(0.0, 0.0), (0.6, 0.7), (0.97, 0.9)])
def test_chance_correlation_of_the_gradient(
    activation: str, cosine: float, received: float
) -> None:
    """Mean square of the cosine of phi' h over 60 units: within 4 % and 0.2 / n."""
    step = followed(activation, cosine, [50, UNITS, UNITS]).steps[0]
    rng = np.random.default_rng(2)
    entry, root = ACTIVATIONS[activation], math.sqrt(step.scale)
    slopes = [entry.derivative(root * z, NUMPY_OPS) for z in normal_pairs(rng, cosine)]
    d, e = (s * h for s, h in zip(slopes, normal_pairs(rng, received), strict=True))
    seen = _delta_cosine_square(step, np.full(2, received**2))[-1]
    assert seen == pytest.approx(np.mean(cosines(d, e) ** 2), rel=0.04, abs=0.2 / UNITS)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("cosine", [0.0, 0.3, 0.8])
def test_orthogonal_weights_leave_less_to_chance(activation: str, cosine: float) -> None:
    """An upper bound, below that of independent weights; within 6 % for uncorrelated samples."""
    widths = [UNITS] * 3
    step = followed(activation, cosine, widths, initializer="orthogonal").steps[0]
    independent = followed(activation, cosine, widths).steps[0]
    rng = np.random.default_rng(3)
    entry, root = ACTIVATIONS[activation], math.sqrt(step.scale)
    a, b = (entry.value(root * z, NUMPY_OPS) for z in fixed_pairs(rng, cosine))
    exact = np.var(cosines(a, b))
    variance = _output_correlation_variance(step)[-1]
    assert 0.94 * exact < variance < _output_correlation_variance(independent)[-1]
    if cosine == 0.0:
        assert variance == pytest.approx(exact, rel=0.06)


def test_orthogonal_weights_fix_products_of_the_gradient() -> None:
    """An upper bound within 2e-3; the standard error of 4000 draws is below 2e-4."""
    cosine, received = 0.3, 0.7
    gain = {"initializer_parameters": {"gain": 0.5}}
    step = followed("tanh", cosine, [UNITS] * 3, initializer="orthogonal", **gain).steps[0]
    rng = np.random.default_rng(4)
    root = math.sqrt(step.scale)
    slopes = [1 - np.tanh(root * z) ** 2 for z in fixed_pairs(rng, cosine)]
    d, e = (s * h for s, h in zip(slopes, fixed_pairs(rng, received), strict=True))
    exact = np.mean(cosines(d, e) ** 2)
    seen = _delta_cosine_square(step, np.full(2, received**2))[-1]
    assert exact - 2e-4 < seen < exact + 2e-3


def test_chance_keeps_cosines_within_their_bounds() -> None:
    """With one unit first order in 1 / n would give variances and squares beyond any cosine's."""
    step = followed("relu", 0.5, [50, 1, 1]).steps[0]
    shared = step.pairs.value[-1]
    assert _output_correlation_variance(step)[-1] <= (1 - shared**2) ** 2
    assert _delta_cosine_square(step, np.array([0.2, 1.0]))[-1] <= 1.0


def test_kernel_gradient_of_samples_that_become_alike() -> None:
    """Uncorrelated inputs of one class through ReLU: 1 below, 1 + (B - 1) g above.

    The first layer's inputs have no products; the second's have the cosine 1 / pi (Cho & Saul
    2009), and its deltas that of phi', 1 - arccos(1 / pi) / pi. Both layers have p m alike.
    """
    batch, wide = 8, 10**7
    network_ = followed("relu", 0.0, [wide, wide, wide], batch)
    shared = (1 / math.pi) * (1 - math.acos(1 / math.pi) / math.pi)
    level = (
        network_.deltas[0][0]
        * network_.steps[0].input_second_moment[0]
        / network_.steps[1].input_second_moment[0]
    )
    expected = level / (1 + (batch - 1) * shared)
    assert network_.kernel_gradients()[0] == pytest.approx(expected, rel=0.02)


def test_a_batch_norm_takes_away_what_samples_share() -> None:
    """E z^2 = s^2 / (s^2 + epsilon) with s^2 = fan_in Var w (E x^2 - E x_a x_b) (1 - 1 / B)."""
    seen = predict(
        network([90, 90, 90], normalization="before_activation"),
        input_second_moment=2.0,
        batch_norm_epsilon=1.0,
        batch_size=16,
        geometry=SampleGeometry(2.0, mean_product=1.5),
    )
    variance = 2.0 * 0.5 * 15 / 16
    assert seen.preactivation_second_moment[0] == pytest.approx(variance / (variance + 1.0))
