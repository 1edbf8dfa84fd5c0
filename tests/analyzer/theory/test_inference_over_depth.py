"""The product of what batch norms are off by, over more layers than a float64 can hold."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer.detectors.normalization.batch_norm_inference_gap import (
    batch_norm_inference_gap,
)
from tests.analyzer.synthetic import network, normed, record


def test_the_product_stays_finite() -> None:
    figures = {"batch_norm_mean_gap": 0.1, "batch_norm_variance_ratio": 0.26}
    layers = normed(network([8] * 1300, normalization="before_activation"), momentum=0.9)
    [finding] = batch_norm_inference_gap(record(layers, steps=10, norm_figures=figures))
    assert finding.observed == np.exp(700.0)
    assert "about x9.9e-305 of training's" in finding.message
