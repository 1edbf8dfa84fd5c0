"""Norms of the samples and angles between them: what theory needs of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

_NORMS, _COSINES = 20, 12
"""Number of shares over which the norms and the cosines are averaged."""

_BLOCK = 512
_ROWS, _PAIRED_ROWS = 2048, 512
"""Samples behind the norms and behind the cosines."""


@dataclass(frozen=True)
class SampleGeometry:
    """Norms of samples and angles between them, as the first Dense layer is fed them.

    `second_moment` is E x^2 over samples and features, `mean_product` E x_a x_b over different
    samples a, b. `norms` are samples' mean squares over `second_moment`, ascending: the means
    of the shares `norm_shares` of the samples (small ones of the largest, which count most);
    `alike` and `different` are means of equal shares of the cosines between two samples of one
    class and of two, pairs weighted by their norms. `alike_share` is the share of pairs from one
    class. `samples` is the number of samples to draw batches from; 0 means
    that every batch has the same mean square (batch norm at the input, or not known).
    """

    second_moment: float
    mean_product: float = 0.0
    norms: tuple[float, ...] = (1.0,)
    norm_shares: tuple[float, ...] = (1.0,)
    alike: tuple[float, ...] = (0.0,)
    different: tuple[float, ...] = (0.0,)
    alike_share: float = 0.0
    samples: int = 0

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> SampleGeometry:
        """The geometry that `dataclasses.asdict` and JSON were made from."""
        lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
        return cls(**content | lists)

    @property
    def norm_variation(self) -> float:
        """Coefficient of variation of the samples' mean squares."""
        deviations = np.array(self.norms) - 1.0
        return float(np.sqrt(deviations**2 @ np.array(self.norm_shares)))


def sample_geometry(
    x: Array,
    y: Array,
    *,
    classes: int | None,
    batch_size: int,
    batch_norm_epsilon: float | None = None,
) -> SampleGeometry:
    """The geometry of training data x [n, ...] with labels y [n] (class indices, or targets).

    The second moment is that of all of x, the rest of a sample of it. With `batch_norm_epsilon`
    the samples are first normalised per feature within batches of `batch_size`, as a batch norm
    at the input does.
    """
    order = np.random.default_rng(0).permutation(len(x))
    if batch_norm_epsilon is None:
        rows = _flat(x, order[:_ROWS])
        squares = np.mean(rows**2, axis=1)
        pairs = [_pairs(rows[:_PAIRED_ROWS], _labels(y, order[:_PAIRED_ROWS], classes))]
        scale = _second_moment(x)
    else:
        size = min(batch_size, len(x))
        count = max(1, min(_PAIRED_ROWS, len(x)) // size)
        batches = [order[i * size : (i + 1) * size] for i in range(count)]
        normalised = [_normalised(_flat(x, batch), batch_norm_epsilon) for batch in batches]
        squares = np.concatenate([np.mean(rows**2, axis=1) for rows in normalised])
        pairs = [
            _pairs(rows[:_PAIRED_ROWS], _labels(y, batch[:_PAIRED_ROWS], classes))
            for rows, batch in zip(normalised, batches, strict=True)
        ]
        scale = float(np.mean(squares))
    products, weights, same = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    share = float(np.mean(same)) if same.size else 0.0
    norms, shares = _norms(squares)
    return SampleGeometry(
        second_moment=scale,
        mean_product=float(np.mean(products)) if products.size else 0.0,
        norms=norms,
        norm_shares=shares,
        alike=_cosines(products[same], weights[same]),
        different=_cosines(products[~same], weights[~same]),
        alike_share=share,
        samples=len(x) if batch_norm_epsilon is None else 0,
    )


def _second_moment(x: Array) -> float:
    """E x^2 in float64, block by block."""
    total = 0.0
    for start in range(0, len(x), _BLOCK):
        total += float(np.sum(np.square(x[start : start + _BLOCK], dtype=np.float64)))
    return total / max(x.size, 1)


def _flat(x: Array, rows: npt.NDArray[np.int64]) -> Floats:
    return x[rows].reshape(len(rows), -1).astype(np.float64)


def _normalised(rows: Floats, epsilon: float) -> Floats:
    centred: Floats = rows - rows.mean(axis=0)
    normalised: Floats = centred / np.sqrt(np.mean(centred**2, axis=0) + epsilon)
    return normalised


def _labels(y: Array, rows: npt.NDArray[np.int64], classes: int | None) -> Array:
    """A label per sample; without classes all labels differ."""
    return y[rows].reshape(len(rows)) if classes else np.arange(len(rows))


def _pairs(rows: Floats, labels: Array) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """For every pair: x_a x_b and |x_a| |x_b| per feature, and whether both are of one class."""
    products = rows @ rows.T / max(rows.shape[1], 1)
    lengths = np.sqrt(np.maximum(np.diag(products), 0.0))
    first, second = np.triu_indices(len(rows), 1)
    return (
        products[first, second],
        lengths[first] * lengths[second],
        labels[first] == labels[second],
    )


def _norms(squares: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Means of `squares` over their mean, by shares that shrink to the largest; and the shares."""
    mean = float(np.mean(squares))
    if not mean > 0.0:
        return (1.0,), (1.0,)
    edges = 1.0 - (1.0 - np.linspace(0.0, 1.0, _NORMS + 1)) ** 2
    shares = tuple(float(share) for share in np.diff(edges))
    return _means(squares / mean, np.ones_like(squares), edges), shares


def _cosines(products: Floats, weights: Floats) -> tuple[float, ...]:
    usable = weights > 0.0
    if not usable.any():
        return (0.0,)
    cosines = np.clip(products[usable] / weights[usable], -1.0, 1.0)
    return _means(cosines, weights[usable] ** 2, np.linspace(0.0, 1.0, _COSINES + 1))


def _means(values: Floats, weights: Floats, edges: Floats) -> tuple[float, ...]:
    """Means of `values` in ascending order between `edges`, shares of the whole weight."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    # A value at the border of two shares counts to both, by the part of its weight in each.
    ends = np.concatenate([[0.0], np.cumsum(weights)])
    sums = np.concatenate([[0.0], np.cumsum(values * weights)])
    means = np.diff(np.interp(edges * ends[-1], ends, sums)) / (np.diff(edges) * ends[-1])
    return tuple(float(mean) for mean in means)
