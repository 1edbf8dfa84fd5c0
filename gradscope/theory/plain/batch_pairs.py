"""Samples of a batch and pairs of them: how frequent each kind is, and averages over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradscope.record.sample_geometry import SampleGeometry

__all__ = ["BatchPairs"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BatchPairs:
    """Kinds of sample and of pair of samples in a batch of `size`, and how frequent they are.

    `norms` [sample] are mean squares of x, `cosines` [pair] those between two samples, `same_class`
    [pair] whether both are of one class. `sampling` is the variance of a mean over a random batch
    relative to that of one sample.
    """

    size: int
    norms: Floats
    sample_shares: Floats
    cosines: Floats
    shares: Floats
    same_class: npt.NDArray[np.bool_]
    sampling: float

    @classmethod
    def from_geometry(cls, geometry: SampleGeometry, batch_size: int) -> BatchPairs:
        """Kinds of sample and pair in a batch drawn without replacement."""
        different, alike = np.array(geometry.different), np.array(geometry.alike)
        share = geometry.alike_share
        left_out = max(0.0, 1.0 - batch_size / geometry.samples) if geometry.samples else 0.0
        return cls(
            size=batch_size,
            norms=geometry.second_moment * np.array(geometry.norms),
            sample_shares=np.array(geometry.norm_shares),
            cosines=np.concatenate([different, alike]),
            shares=np.concatenate(
                [
                    np.full(len(different), (1.0 - share) / len(different)),
                    np.full(len(alike), share / len(alike)),
                ]
            ),
            same_class=np.concatenate([np.zeros(len(different), bool), np.ones(len(alike), bool)]),
            sampling=left_out / batch_size,
        )

    def over_samples(self, values: Floats) -> float:
        """Mean of `values` [sample]."""
        return float(values @ self.sample_shares)

    def over_pairs(self, values: Floats) -> float:
        """Mean of `values` [pair] over pairs of different samples."""
        return float(values @ self.shares)

    def over_all_pairs(self, one_sample: float, pairs: Floats, weights: Floats) -> float:
        """Mean over all pairs of `pairs` [pair] and, for a sample with itself, of `one_sample`.

        Samples count by `weights` [sample].
        """
        itself = one_sample * (1.0 + self.variation(weights))
        return (itself + (self.size - 1.0) * self.over_pairs(pairs)) / self.size

    def variation(self, values: Floats) -> float:
        """Variance of `values` [sample] over their mean squared."""
        return self.over_samples((values / self.over_samples(values) - 1.0) ** 2)

    def log_mean_variance(self, values: Floats) -> float:
        """Variance over random batches of the logarithm of a batch's mean of `values` [sample].

        Var ln(1 + e) = v - E e^3 + 5 v^2 / 2 to second order in 1 / B, v = E e^2: a long tail on
        the right makes the logarithm scatter less. At least v / 2, where the expansion fails.
        """
        relative = values / self.over_samples(values) - 1.0
        variance = self.over_samples(relative**2) * self.sampling
        third = self.over_samples(relative**3) * self.sampling**2
        return max(variance - third + 2.5 * variance**2, 0.5 * variance)
