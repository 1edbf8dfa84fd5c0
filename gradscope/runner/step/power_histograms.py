"""Histograms of the sizes of delta and of the kernels' gradients, in powers of two.

A float32 carries its power of two in eight of its bits, so a histogram of log2 |x| needs no
logarithm: all values of all layers are counted together by these bits. The bins are exact
and the same everywhere, so that histograms of several steps or runs can be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.record import Histogram
from gradscope.runner.step.reductions import Reductions
from gradscope.runner.step.signal_figures import Signal
from gradscope.runner.step.weight_figures import Weights

NAMES = ("log2_abs_delta", "log2_abs_kernel_gradient")
EXPONENTS = 256
"""Zero and what float32 cannot hold normally; 254 powers from 2^-126 to 2^127; NaN and Inf."""

EDGES = np.arange(-126.0, 129.0)
"""Bin i holds 2^edge[i] <= |x| < 2^edge[i + 1]."""


def count_size(layers: int) -> int:
    """Counts of one step: of delta and of the gradient, for each layer and exponent."""
    return len(NAMES) * layers * EXPONENTS


def count_powers(
    signals: Sequence[Signal],
    deltas: Sequence[Any],
    samples: Any,
    weights: Weights,
    layers: int,
    *,
    reductions: Reductions,
) -> Any:
    """Count values of delta (times the batch size) and of gradients: int32 [`count_size`]."""
    gradients = dict(zip(map(id, weights.kernels), weights.raw, strict=True))
    values_by_row = [
        (signal.site.index, tf.cast(delta, tf.float32) * tf.cast(samples, tf.float32))
        for signal, delta in zip(signals, deltas, strict=True)
    ]
    values_by_row += [
        (layers + site.index, tf.convert_to_tensor(gradients[id(kernel)]))
        for site in weights.sites
        for kernel in site.kernels
    ]
    bins = tf.concat([_bins(values) + EXPONENTS * row for row, values in values_by_row], 0)
    return reductions.bin_counts(bins, count_size(layers))


def _bins(values: Any) -> Any:
    bits = tf.bitcast(tf.reshape(tf.cast(values, tf.float32), [-1]), tf.int32)
    return tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits, 23), EXPONENTS - 1)


def histograms(counts: npt.NDArray[np.int32], layers: int, step: int) -> dict[str, Histogram]:
    """The counts of one step as histograms by name; values in no bin are `outside`."""
    table = counts.astype(np.int64).reshape(len(NAMES), 1, layers, EXPONENTS)
    steps = np.array([step], np.int64)
    return {
        name: Histogram(
            quantity=name.replace("_abs_", " |").replace("_", " ") + "|",
            steps=steps,
            edges=EDGES,
            counts=row[..., 1:-1],
            outside=row[..., 0] + row[..., -1],
        )
        for name, row in zip(NAMES, table, strict=True)
    }
