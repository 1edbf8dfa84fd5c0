"""Moments of tensors whose variance is a small part of their second moment, against float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow
RELATIVE = 1e-5
SHAPES = [(32, 10), (7, 3), (100, 60), (128, 513)]
"""Small batches, a number of samples that is prime, and one above the stacking limit."""
COMPILED_SHAPES = [(7, 3), (100, 60)]
"""XLA compiles each shape for half a second, and knows no stacking limit."""


def _shapes(*, jit: bool) -> list[tuple[int, int]]:
    return COMPILED_SHAPES if jit else SHAPES


def _softmax(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    logits = 0.3 * random.normal(size=shape)
    return np.asarray(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))


def _means_above_deviations(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Each unit's mean is 1000 times its standard deviation."""
    return np.asarray(random.uniform(-2, 2, shape[1]) * (1 + 1e-3 * random.normal(size=shape)))


def _one_mean(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.asarray(700.0 + 0.7 * random.normal(size=shape))


def _sigmoid(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-0.2 * random.normal(size=shape))))


def _first_sample_far_away(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    values = random.normal(size=shape)
    values[0] += 300.0
    return np.asarray(values)


def _at_the_limit(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Two values, with the least variance that the float32 sums are used for."""
    return np.asarray(1.1 + 0.6 * random.choice([-1.0, 1.0], size=shape))


def _collapsed(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Units that differ from each other and hardly over the batch, as in a deep ReLU network."""
    units = np.maximum(random.normal(size=shape[1]), 0)
    return np.asarray(units * (1 + 1e-4 * random.uniform(-1, 1, (shape[0], 1))))


CASES = {
    "softmax": _softmax,
    "means above deviations": _means_above_deviations,
    "one mean": _one_mean,
    "sigmoid": _sigmoid,
    "first sample far away": _first_sample_far_away,
    "at the limit": _at_the_limit,
    "collapsed": _collapsed,
}


def _measure(values: np.ndarray, *, jit: bool) -> tuple[np.ndarray, bool]:
    """The moments [12, 2] of two tensors that serve as z, a and delta; whether the sums were."""
    import tensorflow as tf

    from gradscope.runner.step import moments
    from gradscope.runner.step.reductions import reductions_for

    def measure(first: Any, second: Any) -> tuple[Any, Any]:
        pair = [first, second]
        sums = moments.read_sums(pair, pair, pair, reductions_for(jit=jit))
        sizes, batches = (np.full(2, float(n)) for n in (values.size, len(values)))
        fast, safe = moments.moments_of_sums(sums.fast, sizes, batches)
        return tf.cond(safe, lambda: fast, lambda: sums.exact()[:12]), safe

    traced = tf.function(measure, autograph=False, jit_compile=jit)
    rows, safe = traced(tf.constant(values), tf.constant(values[:, ::-1]))
    return rows.numpy(), bool(safe)


def _hold(values: np.ndarray, *, jit: bool, case: str) -> None:
    x = values.astype(np.float64)
    wanted = {
        "mean": np.mean(x),
        "second moment": np.mean(x**2),
        "variance": np.mean((x - np.mean(x)) ** 2),
        "sample variance": np.mean((x - x.mean(0)) ** 2),
    }
    rows, _ = _measure(values, jit=jit)
    found = dict(zip(wanted, (rows[0:3], rows[3:6], rows[6:9], rows[9:10]), strict=True))
    for name, value in wanted.items():
        # A mean may be the small difference of positive and negative values.
        scale = np.sqrt(wanted["second moment"]) if name == "mean" else value
        error = np.abs(found[name] - value).max()
        assert error <= RELATIVE / 2 * abs(scale), (case, values.shape, name, error / abs(scale))


@pytest.mark.parametrize(
    "jit", [False, pytest.param(True, marks=pytest.mark.long("3 s each"))], ids=["graph", "XLA"]
)
@pytest.mark.parametrize("case", CASES)
def test_moments_hold_half_of_what_is_promised(case: str, jit: bool, runner_settings: Any) -> None:
    random = np.random.default_rng(7)
    for shape in _shapes(jit=jit):
        _hold(CASES[case](random, shape).astype(np.float32), jit=jit, case=case)


@pytest.mark.parametrize(
    ("exponent", "jit"),
    [
        *((exponent, False) for exponent in (-22, -19, -18, -16, 17, 19, 22)),
        (19, True),
    ],
)
def test_squares_outside_float32_are_not_lost(
    exponent: int, jit: bool, runner_settings: Any
) -> None:
    """At 1e-19 some squares are subnormal and flushed to zero, at 1e19 some are infinite."""
    random = np.random.default_rng(9)
    for shape in _shapes(jit=jit):
        values = random.normal(size=shape) * 10.0**exponent
        _hold(values.astype(np.float32), jit=jit, case=str(exponent))


@pytest.mark.parametrize(
    ("value", "jit"),
    [*((value, False) for value in (1.1, -0.1, 1e-3, 333.3, 0.0)), (333.3, True)],
)
def test_the_variance_of_a_constant_is_zero(value: float, jit: bool, runner_settings: Any) -> None:
    for shape in _shapes(jit=jit):
        rows, _ = _measure(np.full(shape, value, np.float32), jit=jit)
        assert np.all(rows[6:10] == 0)
        np.testing.assert_allclose(rows[:3], np.float32(value), rtol=1e-12)


@pytest.mark.parametrize("case", ["softmax", "means above deviations", "sigmoid", "collapsed"])
def test_activations_with_large_means_need_no_second_reading(
    case: str, runner_settings: Any
) -> None:
    """The differences to the first sample are small: float32 sums of them are enough."""
    import tensorflow as tf

    from gradscope.runner.step import moments
    from gradscope.runner.step.reductions import reductions_for

    random = np.random.default_rng(8)
    for shape in ((32, 10), (128, 513)):
        a = CASES[case](random, shape).astype(np.float32)
        z, delta = (random.normal(size=shape).astype(np.float32) for _ in range(2))
        sums = moments.read_sums(
            [tf.constant(z)], [tf.constant(a)], [tf.constant(delta)], reductions_for(jit=False)
        )
        sizes, batches = np.array([float(a.size)]), np.array([float(len(a))])
        rows, safe = moments.moments_of_sums(sums.fast, sizes, batches)
        assert bool(safe)
        wide = a.astype(np.float64)
        within = np.mean((wide - wide.mean(0)) ** 2)
        assert rows[9, 0].numpy() == pytest.approx(within, rel=2e-6)
        assert rows[8, 0].numpy() == pytest.approx(np.var(wide), rel=2e-6)
        assert rows[5, 0].numpy() == pytest.approx(np.mean(wide**2), rel=2e-6)
