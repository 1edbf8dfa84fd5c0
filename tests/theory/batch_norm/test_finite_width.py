"""Bands under batch norm: the scatter of one unit against draws, and the calibrated constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.batch_norm.finite_width import unit_scatter
from gradscope.theory.depth_recursion import predict
from gradscope.theory.scope import dense_blocks
from tests.theory.test_depth_recursion import network

BEFORE = "before_activation"


@pytest.mark.parametrize("batch", [10, 16, 40])
def test_scatter_of_a_linear_unit(batch: int) -> None:
    """Relative variance of |J^T h|^2, J the Jacobian of batch norm with its 1 / s, by draws."""
    block = dense_blocks(network([64, 64], "linear", normalization=BEFORE), 1.0, batch)[0][0]
    rng = np.random.default_rng(5)
    z, h = rng.standard_normal((2, 400_000, batch))
    z -= z.mean(axis=1, keepdims=True)
    variance = np.mean(z**2, axis=1, keepdims=True)
    hat = z / np.sqrt(variance)
    h -= h.mean(axis=1, keepdims=True)
    h -= hat * np.mean(h * hat, axis=1, keepdims=True)
    squares = np.sum(h**2 / variance, axis=1)
    expected = np.var(squares) / np.mean(squares) ** 2
    assert unit_scatter(block, 1.0, batch) == pytest.approx(expected, rel=0.05)


def test_calibrated_constants_of_the_band() -> None:
    """benchmarks/theory_coverage.py: variance times 1 + 2 B / n, rate + 2.5 % B / n, spreads 1.2 %

    B / n per layer and 3 % once.
    """
    batch, units = 16, 64
    layers = network([units] * 4, normalization=BEFORE)
    seen = predict(
        layers,
        input_second_moment=1.0,
        batch_norm_epsilon=1e-3,
        batch_size=batch,
        geometry=SampleGeometry(1.0),
    )
    band = seen.delta_band
    assert band is not None
    block = dense_blocks(layers, 1.0, batch)[0][1]
    q = float(seen.preactivation_second_moment[1])
    each = unit_scatter(replace(block), q, batch) / units * (1 + 2 * batch / units)
    spreads = 0.012 * batch / units * np.array([2.0, 1.0]) + 0.03
    expected = each * np.array([2.0, 1.0])
    np.testing.assert_allclose(band.deviation[:2] ** 2, expected + spreads**2, rtol=1e-3)
    shift = band.centre[:2] - np.log(seen.delta_relative[:2]) + 0.5 * expected
    np.testing.assert_allclose(shift, 0.025 * batch / units * np.array([2.0, 1.0]), rtol=1e-3)
