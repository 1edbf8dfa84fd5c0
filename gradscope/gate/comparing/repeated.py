"""Kernels that a seed no longer decides: the same for every seed, or another layer's numbers.

No distribution over seeds shows it, since one such draw is as good as any other: each network of
its own looks healthy. The rms of the kernels shows it, without chance: draws of its own scatter
over the seeds by sqrt(8 / weights) in the logarithm of the second moment, equal kernels by nothing.
"""

from __future__ import annotations

import numpy as np

from gradscope.gate import words
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Difference
from gradscope.gate.comparing.alignment import Alignment
from gradscope.gate.comparing.pairing import SAME_DRAWS
from gradscope.record.run_record import Floats

EQUAL = 1e-9
"""Most that logarithms of second moments of equal kernels differ by: their sums are the same. Of
two draws of the largest kernel, 4096 x 4096, one pair in 500,000 is as close by chance."""


def repeated(
    before: SeedStatistics, after: SeedStatistics, alignment: Alignment
) -> tuple[Difference, ...]:
    """Find the kernels that ceased to be draws of their own, in depth order.

    One seed cannot tell, and a kernel that does not scatter in the baseline has nothing to lose.
    """
    if len(after.seeds) < 2 or len(before.seeds) < 2:
        return ()
    kernels = [
        (j, before.initial["weight"][:, i], after.initial["weight"][:, j])
        for i, j in alignment.pairs
        if _scatters(before.initial["weight"][:, i])
    ]
    found = []
    for place, (j, old, new) in enumerate(kernels):
        told = "the same for every seed" if _equal(new, new[:1]) else ""
        for k, other_old, other_new in kernels[:place]:
            if not told and _equal(new, other_new) and not _equal(old, other_old):
                told = f"the same as in {after.layers[k].name} for every seed"
        if told:
            rms = words.rms(float(np.mean(old))), words.rms(float(np.mean(new)))
            found.append(Difference("weight", after.layers[j].name, *rms, told, ""))
    return tuple(found)


def _scatters(values: Floats) -> bool:
    return bool(np.isfinite(values).all() and np.ptp(values) > SAME_DRAWS)


def _equal(values: Floats, others: Floats) -> bool:
    return bool(np.isfinite(values).all() and np.max(np.abs(values - others)) <= EQUAL)
