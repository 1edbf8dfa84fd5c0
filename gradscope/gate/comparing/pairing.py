"""Whether two sets of seeds drew the same numbers, so that no difference is due to chance.

With the same draws seed for seed, every difference is an effect, however small. Keras's
initializers give the same numbers on every machine, so this holds between machines too. The kernels
prove it: over the seeds the rms of a layer's kernel scatters. Two sides with the same draws have
the same scatter up to rounding, times one factor where the gain was changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradscope.gate.baselines import fingerprint
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.comparing.alignment import Alignment
from gradscope.message_text import first_names

SAME_DRAWS = 1e-5
"""Largest range over the seeds of the difference between two sides with the same draws, in the
logarithm of the second moment of a layer's kernel. Rounding moves it by 3e-7 (docs/gate.md); other
draws by sqrt(8 / weights), 4e-4 for the largest kernel of 4096 x 4096 and more for smaller ones."""

SAME_MACHINE = 1e-3
"""Tolerance of a logarithm of a second moment (0.05 % of an rms) under one fingerprint, where equal
networks differ by nothing at all."""

OTHER_MACHINE = 2e-2
"""The same under another fingerprint (1 % of an rms). Threads, XLA, op determinism and Grappler
moved first-step figures by 4e-6 at most (docs/gate.md), oneDNN those of 20 layers with batch norm
by 6e-3 on an AMD Zen 3."""

SHARES = {SAME_MACHINE: 1e-3, OTHER_MACHINE: 1e-2}
"""Tolerance of a share under each; the second allows for one unit more or less."""


@dataclass(frozen=True)
class Pairing:
    """How two sets of seeds are compared at initialisation.

    `rows` are the positions of the seeds that both sides have. If `paired`, both drew the same
    numbers and every difference beyond `tolerance` counts. Otherwise `reason` says what differs,
    and only the distributions over seeds can be compared.
    """

    paired: bool
    rows: tuple[tuple[int, int], ...]
    tolerance: float
    reason: str


def pairing(before: SeedStatistics, after: SeedStatistics, alignment: Alignment) -> Pairing:
    """Decide whether both sides drew the same numbers."""
    same_machine = not fingerprint.differences(before.fingerprint, after.fingerprint)
    tolerance = SAME_MACHINE if same_machine else OTHER_MACHINE
    row_of = {seed: row for row, seed in enumerate(after.seeds)}
    rows = tuple((row, row_of[seed]) for row, seed in enumerate(before.seeds) if seed in row_of)
    if not rows:
        return Pairing(False, (), tolerance, "they have no seed in common")
    redrawn = _kernels_drawn_anew(before, after, alignment, rows)
    if redrawn:
        layers = first_names(redrawn, shown=1)
        return Pairing(
            False, rows, tolerance, f"other numbers were drawn for the kernel of {layers}"
        )
    return Pairing(True, rows, tolerance, "")


def _kernels_drawn_anew(
    before: SeedStatistics,
    after: SeedStatistics,
    alignment: Alignment,
    rows: tuple[tuple[int, int], ...],
) -> list[str]:
    """Layers whose kernels were drawn from other numbers."""
    old_rows, new_rows = (list(side) for side in zip(*rows, strict=True))
    names = []
    for i, j in alignment.pairs:
        old = before.initial["weight"][old_rows, i]
        new = after.initial["weight"][new_rows, j]
        both = np.isfinite(old) & np.isfinite(new)
        if not both.any():
            continue
        if len(rows) == 1:  # nothing scatters: the kernel has to be the very same
            differs = bool(np.abs(new - old)[both].max() > SAME_DRAWS)
        else:
            drift, scatter = np.ptp((new - old)[both]), np.ptp(old[both])
            differs = bool(min(drift, scatter) > SAME_DRAWS)
        if differs:
            names.append(after.layers[j].name)
    return names
