"""The sums in a graph and those for XLA against numpy's in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow
RELATIVE = 1e-6


def _tensors(shape: tuple[int, int]) -> list[np.ndarray]:
    random = np.random.default_rng(4)
    tensors = random.uniform(0.5, 2.0, (3, *shape)).astype(np.float32)
    tensors[random.uniform(size=tensors.shape) < 0.3] = 0.0
    return list(tensors)


@pytest.mark.parametrize("shape", [(1, 4), (7, 3), (24, 5), (22, 6), (64, 40)])
@pytest.mark.parametrize("form", ["graph, single", "graph, stacked", "XLA, stacked"])
def test_sums_of_tensors(form: str, shape: tuple[int, int], runner_settings: Any) -> None:
    import tensorflow as tf

    from gradscope.runner.step.reductions import reductions_for

    reductions = reductions_for(jit="XLA" in form)
    wide = np.array(_tensors(shape), np.float64)
    single = [tf.constant(tensor) for tensor in _tensors(shape)]
    tensors = single if "single" in form else tf.stack(single)
    differences = np.array([np.asarray(t) for t in reductions.differences(tensors)], np.float64)
    np.testing.assert_allclose(differences, wide - wide[:, :1], rtol=1e-6, atol=1e-7)
    for found, wanted in (
        (reductions.sums(tensors), wide.sum((1, 2))),
        (reductions.row_sums(tensors), wide.sum(1)),
        (reductions.square_sums(tensors), (wide**2).sum((1, 2))),
    ):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=RELATIVE)
    np.testing.assert_array_equal(
        reductions.nonzero_counts(tensors).numpy(), np.count_nonzero(wide, (1, 2))
    )


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
def test_sums_of_kernels_keep_their_order(jit: bool, runner_settings: Any) -> None:
    """Kernels of one shape are reduced together; the shapes here alternate."""
    import tensorflow as tf

    from gradscope.runner.step.reductions import reductions_for

    random = np.random.default_rng(5)
    shapes = [(3, 4), (5, 2), (2, 3, 4), (3, 4), (7,), (5, 2), (3, 4)]
    kernels = [random.uniform(1, 9, shape).astype(np.float32) for shape in shapes]
    wide = [kernel.astype(np.float64) for kernel in kernels]
    reductions, tensors = reductions_for(jit=jit), [tf.constant(kernel) for kernel in kernels]
    squares = reductions.kernel_square_sums(tensors)
    np.testing.assert_allclose(squares, [np.sum(k**2) for k in wide], rtol=RELATIVE)
    sums = reductions.kernel_sums(tensors, tf.reduce_sum)
    np.testing.assert_allclose(sums, [np.sum(k) for k in wide], rtol=RELATIVE)
    bins = np.array([0, 5, 5, 2, 0, 5])
    found = reductions.bin_counts(tf.constant(bins, tf.int32), 7)
    np.testing.assert_array_equal(found, np.bincount(bins, minlength=7))
