"""Norms of the gradients of single samples, without computing those gradients.

The kernel's gradient of a Dense layer is x^T delta. The part of one sample is the outer product
x_i delta_i, whose squared norm is |x_i|^2 |delta_i|^2 (Goodfellow 2015, arXiv:1510.01799, eq. 1).
"""

from __future__ import annotations

import math

import tensorflow as tf

from gradscope.runner.step.figures import Figures
from gradscope.runner.step.weight_figures import Weights, factors


def add_example_gradient_figures(figures: Figures, weights: Weights, samples: int) -> None:
    """Add the mean squared norm of a sample's gradient, and the gradient's noise scale.

    Only layers whose gradient is one product of two matrices with a row for each of the `samples`
    of the batch get them. With g_i the gradient of sample i and G their mean over B of them,
    ``tr S = (E |g_i|^2 - |G|^2) B / (B - 1)`` estimates the trace of the covariance of g,
    ``|G|^2 - tr S / B`` the squared norm of its mean, both without bias, and the noise scale is
    their ratio (McCandlish et al. 2018, arXiv:1812.06162, eq. 2.8 and appendix A.1). NaN where the
    estimate of the mean is not positive: noise hides the mean in this batch.
    """
    gradients = dict(zip(map(id, weights.kernels), weights.raw, strict=True))
    indices, singles, means = [], [], []
    for site in weights.sites:
        gradient = gradients[id(site.kernels[0])]
        pair = factors(gradient)
        if len(site.kernels) > 1 or pair is None or pair[0].shape[0] != samples or samples < 2:
            continue
        x, delta = (tf.cast(tensor, tf.float64) for tensor in pair)
        norms = tf.reduce_sum(tf.square(x), 1) * tf.reduce_sum(tf.square(delta), 1)
        indices.append(site.index)
        # The tape's delta is that of the mean loss: that of a sample's loss is B times it.
        singles.append(samples * tf.reduce_sum(norms))
        means.append(tf.reduce_sum(tf.square(tf.cast(gradient, tf.float64))))
    if not indices:
        return
    single, mean = tf.stack(singles), tf.stack(means)
    trace = (single - mean) * samples / (samples - 1.0)
    signal = mean - trace / samples
    scale = tf.where(signal > 0.0, trace / signal, tf.constant(math.nan, tf.float64))
    names = ["example_gradient_square", "gradient_noise_scale"]
    figures.add(names, indices, tf.stack([single, scale]))
