"""The samples of a batch and the pairs of them, as averages over both need them."""

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

    `norms` [sample] are mean squares of x, `cosines` [pair] those between two samples, `alike`
    [pair] whether both are of one class. `sampling` is the variance of a mean over the batch
    relative to that of one sample, by which samples are drawn.
    """

    size: int
    norms: Floats
    sample_shares: Floats
    cosines: Floats
    shares: Floats
    alike: npt.NDArray[np.bool_]
    sampling: float

    @classmethod
    def of(cls, geometry: SampleGeometry, batch_size: int) -> BatchPairs:
        """The kinds in a batch drawn without replacement."""
        different, alike = np.array(geometry.different), np.array(geometry.alike)
        share = geometry.alike_share
        drawn = geometry.samples
        left_out = max(0.0, 1.0 - batch_size / drawn) if drawn else 0.0
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
            alike=np.concatenate([np.zeros(len(different), bool), np.ones(len(alike), bool)]),
            sampling=left_out / batch_size,
        )

    def over_samples(self, values: Floats) -> float:
        """Mean of `values` [sample]."""
        return float(values @ self.sample_shares)

    def over_pairs(self, values: Floats) -> float:
        """Mean of `values` [pair] over pairs of different samples."""
        return float(values @ self.shares)

    def over_all(self, own: float, others: Floats, weights: Floats) -> float:
        """Mean over all pairs, each sample with itself among them; samples count by `weights`."""
        itself = own * (1.0 + self.variation(weights))
        return (itself + (self.size - 1.0) * self.over_pairs(others)) / self.size

    def variation(self, values: Floats) -> float:
        """Variance of `values` [sample] over their mean squared."""
        return self.over_samples((values / self.over_samples(values) - 1.0) ** 2)

    def drawn(self, values: Floats) -> float:
        """Variance of the logarithm of a batch's mean of `values` [sample], by which it draws.

        Var ln(1 + e) = v - E e^3 + 5 v^2 / 2 to second order in 1 / B, v = E e^2: a long tail on
        the right makes the logarithm scatter less.
        """
        relative = values / self.over_samples(values) - 1.0
        variance = self.over_samples(relative**2) * self.sampling
        third = self.over_samples(relative**3) * self.sampling**2
        return max(variance - third + 2.5 * variance**2, 0.5 * variance)
