"""Kernels that the seed no longer decides: equal for every seed, or equal to another layer's.

No distribution over seeds shows it: each network alone looks healthy. The rms of the kernels does,
without chance: independent draws scatter over the seeds by sqrt(8 / weights) in the logarithm of
the second moment, equal kernels by nothing.
"""

from __future__ import annotations

import numpy as np

from gradscope.gate import difference_text
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Difference
from gradscope.gate.comparing.alignment import Alignment
from gradscope.gate.comparing.pairing import SAME_DRAWS
from gradscope.record.run_record import Floats

EQUAL = 1e-9
"""Largest difference of the logarithms of second moments of equal kernels, whose sums are equal. Of
two draws of the largest kernel, 4096 x 4096, one pair in 500,000 is as close by chance."""


def find_repeated_kernels(
    before: SeedStatistics, after: SeedStatistics, alignment: Alignment
) -> tuple[Difference, ...]:
    """Find the kernels that are no longer independent draws, in depth order.

    One seed cannot show it. A kernel that does not scatter in the baseline is left out.
    """
    if len(after.seeds) < 2 or len(before.seeds) < 2:
        return ()
    kernels = [
        (j, before.initial["weight"][:, i], after.initial["weight"][:, j])
        for i, j in alignment.pairs
        if _scatters(before.initial["weight"][:, i])
    ]
    differences = []
    for position, (j, old, new) in enumerate(kernels):
        effect = "the same for every seed" if _equal(new, new[:1]) else ""
        for k, other_old, other_new in kernels[:position]:
            if not effect and _equal(new, other_new) and not _equal(old, other_old):
                effect = f"the same as in {after.layers[k].name} for every seed"
        if effect:
            rms = difference_text.rms(float(np.mean(old))), difference_text.rms(float(np.mean(new)))
            differences.append(Difference("weight", after.layers[j].name, *rms, effect, ""))
    return tuple(differences)


def _scatters(values: Floats) -> bool:
    return bool(np.isfinite(values).all() and np.ptp(values) > SAME_DRAWS)


def _equal(values: Floats, others: Floats) -> bool:
    return bool(np.isfinite(values).all() and np.max(np.abs(values - others)) <= EQUAL)
