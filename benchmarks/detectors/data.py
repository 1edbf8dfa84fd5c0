"""The arrays of the corpus that no data set of gradscope's holds; all of them from fixed seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.datasets import loading

Array = npt.NDArray[Any]
Parts = tuple[tuple[Array, Array], tuple[Array, Array]]
"""Training inputs and targets, then those of the test."""

TEST = 1000


def fashion(scaling: str = "standardize") -> Parts:
    """The images of clothes, flat."""
    samples = loading.load("fashion_mini", {}, scaling, 32)
    flat = [x.reshape(len(x), -1) for x in (samples.x, samples.x_test)]
    return (flat[0], samples.y), (flat[1], samples.y_test)


def _split(x: Array, y: Array) -> Parts:
    return (x[TEST:], y[TEST:]), (x[:TEST], y[:TEST])


def noisy_labels(share: float = 0.3) -> Parts:
    """A `share` of the training labels replaced by chance; the test's are right."""
    rng = np.random.default_rng(5)
    (x, y), test = fashion()
    wrong = rng.random(len(y)) < share
    return (x, np.where(wrong, rng.integers(0, 10, len(y)), y)), test


def shuffled_labels() -> Parts:
    """Labels that belong to other samples: a list that was shuffled without the other."""
    (x, y), test = fashion()
    return (x, np.random.default_rng(6).permutation(y)), test


def imbalanced(share: float = 0.05) -> Parts:
    """Two classes of a linear teacher, the second one rare."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(6000, 20)).astype("float32")
    score = x @ rng.normal(size=20)
    return _split(x, (score > np.quantile(score, 1.0 - share)).astype("int64"))


def ten_imbalanced() -> Parts:
    """The images with class k kept with probability 0.6^k."""
    rng = np.random.default_rng(8)
    (x, y), test = fashion()
    kept = rng.random(len(y)) < 0.6**y
    return (x[kept], y[kept]), test


def regression(scale: float = 1.0, offset: float = 0.0, features: float = 1.0) -> Parts:
    """A smooth function of 20 normal features, of unit variance before `scale` and `offset`."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(5000, 20)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(20, 8)) / 3.0) @ rng.normal(size=8)
    y = (y - y.mean()) / y.std() * scale + offset + 0.05 * scale * rng.normal(size=len(y))
    return _split((x * features).astype("float32"), y[:, None].astype("float32"))


def counts() -> Parts:
    """Poisson counts whose rate is a function of the features."""
    rng = np.random.default_rng(10)
    x = rng.normal(size=(5000, 10)).astype("float32")
    rate = np.exp(1.0 + 0.7 * np.tanh(x @ rng.normal(size=10) / 2.0))
    return _split(x, rng.poisson(rate)[:, None].astype("float32"))


def pixels_to_pixels() -> Parts:
    """Images in 0..1 as their own target."""
    (x, _), (x_test, _) = fashion("unit")
    return (x, x), (x_test, x_test)


def two_digits() -> Parts:
    """Five binary labels at once, each of a linear teacher."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(5000, 30)).astype("float32")
    return _split(x, (x @ rng.normal(size=(30, 5)) > 0).astype("float32"))


def tokens(length: int = 20, words: int = 200) -> Parts:
    """Sequences of words; the class is which of three groups of words is commonest."""
    rng = np.random.default_rng(12)
    y = rng.integers(0, 3, 5000)
    common = rng.integers(0, words, (5000, length))
    telling = rng.integers(0, 10, (5000, length)) + 10 * y[:, None]
    return _split(np.where(rng.random((5000, length)) < 0.3, telling, common).astype("int64"), y)


def padded() -> Parts:
    """Sequences of different lengths, padded with zeros; the class is the sign of the sum."""
    rng = np.random.default_rng(13)
    x = rng.normal(size=(5000, 30, 4)).astype("float32")
    lengths = rng.integers(5, 30, 5000)
    x[np.arange(30)[None, :] >= lengths[:, None]] = 0.0
    return _split(x, (x[..., 0].sum(1) > 0).astype("int64"))


def latched(steps: int = 60) -> Parts:
    """Noise after a first time step that shows the class (Bengio et al. 1994)."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 4, 5000)
    x = rng.normal(size=(5000, steps, 4)).astype("float32")
    x[:, 0] = 2.0 * np.eye(4)[y]
    return _split(x, y)


def words_of_documents() -> Parts:
    """Bags of words: 500 counts, nearly all zero, not scaled."""
    rng = np.random.default_rng(14)
    y = rng.integers(0, 4, 5000)
    rates = np.full((4, 500), 0.01)
    for label in range(4):
        rates[label, 20 * label : 20 * label + 20] = 0.2
    return _split(rng.poisson(rates[y]).astype("float32"), y)


def few() -> Parts:
    """A hundred images, which a network learns by heart."""
    (x, y), test = fashion()
    return (x[:100], y[:100]), test


def scaled_features(factor: float) -> Parts:
    """A linear teacher's features times `factor`."""
    samples = loading.load("gaussian", {"features": 20, "samples": 5000}, "none", 32)
    return (
        ((samples.x * factor).astype("float32"), samples.y),
        ((samples.x_test * factor).astype("float32"), samples.y_test),
    )


def hundred_classes() -> Parts:
    """A hundred clouds in 20 dimensions."""
    rng = np.random.default_rng(15)
    y = rng.integers(0, 100, 6000)
    x = 2.0 * rng.normal(size=(100, 20))[y] + rng.normal(size=(6000, 20))
    return _split((x / x.std()).astype("float32"), y)


def spiral() -> Parts:
    """Two arms that wind around each other."""
    rng = np.random.default_rng(16)
    y = rng.integers(0, 2, 5000)
    angle = 3.0 * np.pi * np.sqrt(rng.random(5000))
    x = angle[:, None] * np.stack([np.cos(angle + np.pi * y), np.sin(angle + np.pi * y)], 1)
    return _split(((x + 0.2 * rng.normal(size=x.shape)) / 5.0).astype("float32"), y)


def one_constant_feature() -> Parts:
    """Images with one column a thousand times as large as the others."""
    (x, y), (x_test, y_test) = fashion()
    x, x_test = x.copy(), x_test.copy()
    rng = np.random.default_rng(17)
    x[:, 0] = 1e4 * (1.0 + 0.1 * rng.normal(size=len(x)))
    x_test[:, 0] = 1e4 * (1.0 + 0.1 * rng.normal(size=len(x_test)))
    return (x, y), (x_test, y_test)


def rows(scaling: str = "standardize") -> Parts:
    """The images as 28 rows."""
    (x, y), (x_test, y_test) = fashion(scaling)
    return (x.reshape(-1, 28, 28), y), (x_test.reshape(-1, 28, 28), y_test)


def pixels() -> Parts:
    """Images with raw pixels, 0 to 255, as 28 rows."""
    return rows("none")


def table() -> Parts:
    """What a CSV file holds: clouds in the plane and columns without use."""
    rng = np.random.default_rng(18)
    y = rng.integers(0, 3, 3000)
    x = np.concatenate(
        [rng.normal(size=(3000, 2)) + 3.0 * np.eye(3)[y][:, :2], rng.normal(size=(3000, 4))], 1
    )
    return _split(x.astype("float32"), y)


def weak_signal() -> Parts:
    """Targets that the features explain a tenth of."""
    rng = np.random.default_rng(20)
    x = rng.normal(size=(5000, 20)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(20, 1)) / 3.0)
    return _split(x, (y / y.std() + 3.0 * rng.normal(size=y.shape)).astype("float32"))


def long_sums() -> Parts:
    """Sixty time steps; the class is the sign of the sum of the last thirty."""
    rng = np.random.default_rng(21)
    x = rng.normal(size=(5000, 60, 4)).astype("float32")
    return _split(x, (x[:, 30:, 0].sum(1) > 0).astype("int64"))


def unit_pixels() -> Parts:
    """Images in 0..1, flat."""
    return fashion("unit")


def signs() -> Parts:
    """Labels -1 and 1 as real numbers, of a linear teacher."""
    rng = np.random.default_rng(19)
    x = rng.normal(size=(5000, 20)).astype("float32")
    return _split(x, np.sign(x @ rng.normal(size=(20, 1))).astype("float32"))


MADE: dict[str, Callable[..., Parts]] = {
    function.__name__: function
    for function in (
        fashion,
        noisy_labels,
        shuffled_labels,
        imbalanced,
        ten_imbalanced,
        regression,
        counts,
        pixels_to_pixels,
        two_digits,
        tokens,
        padded,
        latched,
        words_of_documents,
        few,
        scaled_features,
        hundred_classes,
        spiral,
        one_constant_feature,
        rows,
        pixels,
        table,
        signs,
        weak_signal,
        long_sums,
        unit_pixels,
    )
}
