"""Whether two banks drew the same numbers, so that what differs between them is no chance.

Seed for seed the same draws make every difference an effect, however small. Keras's initializers
give the same numbers on every machine, so that this holds between machines too; but it is not taken
on trust. The kernels prove it: over the seeds the rms of a layer's kernel scatters, and two banks
that drew alike have the same scatter to the rounding, times one factor where the gain was changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradscope.gate.baselines import fingerprint
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.comparing.alignment import Alignment

SAME_DRAWS = 1e-5
"""Most that the logarithm of a layer's kernel's second moment may wander over the seeds between two
banks of the same draws. Rounding moves it by 3e-7 (docs/gate.md); other draws by
sqrt(8 / weights), 4e-4 for the largest kernel of 4096 x 4096 and more for smaller ones."""

SAME_MACHINE = 1e-3
"""Tolerance of a logarithm of a second moment (0.05 % of an rms) under one fingerprint, where equal
networks differ by nothing at all."""

OTHER_MACHINE = 2e-2
"""The same under another fingerprint (1 % of an rms). Threads, XLA, op determinism and Grappler
moved first-step figures by 4e-6 at most (docs/gate.md), oneDNN those of 20 layers with batch norm
by 6e-3 on an AMD Zen 3."""

SHARES = {SAME_MACHINE: 1e-3, OTHER_MACHINE: 1e-2}
"""The tolerance of a share that goes with each; a unit more or less is forgiven in the second."""


@dataclass(frozen=True)
class Pairing:
    """How two banks are compared at initialisation.

    `rows` are the positions of the seeds that both have. With `paired` they drew the same numbers,
    and differences beyond `tolerance` count; otherwise `reason` says what is not the same, and
    only the distributions over seeds can be compared.
    """

    paired: bool
    rows: tuple[tuple[int, int], ...]
    tolerance: float
    reason: str


def pairing(before: SeedStatistics, after: SeedStatistics, alignment: Alignment) -> Pairing:
    """Find out whether the banks drew the same numbers."""
    same_machine = not fingerprint.differences(before.fingerprint, after.fingerprint)
    tolerance = SAME_MACHINE if same_machine else OTHER_MACHINE
    place = {seed: row for row, seed in enumerate(after.seeds)}
    rows = tuple((row, place[seed]) for row, seed in enumerate(before.seeds) if seed in place)
    if not rows:
        return Pairing(False, (), tolerance, "they have no seed in common")
    strangers = _strangers(before, after, alignment, rows)
    if strangers:
        told = (
            strangers[0] if len(strangers) == 1 else f"{strangers[0]} and {len(strangers) - 1} more"
        )
        return Pairing(False, rows, tolerance, f"other numbers were drawn for the kernel of {told}")
    return Pairing(True, rows, tolerance, "")


def _strangers(
    before: SeedStatistics,
    after: SeedStatistics,
    alignment: Alignment,
    rows: tuple[tuple[int, int], ...],
) -> list[str]:
    """Layers whose kernels were drawn from other numbers."""
    old_rows, new_rows = (list(side) for side in zip(*rows, strict=True))
    found = []
    for i, j in alignment.pairs:
        old = before.initial["weight"][old_rows, i]
        new = after.initial["weight"][new_rows, j]
        both = np.isfinite(old) & np.isfinite(new)
        if not both.any():
            continue
        if len(rows) == 1:  # nothing scatters: the kernel has to be the very same
            stranger = bool(np.abs(new - old)[both].max() > SAME_DRAWS)
        else:
            wander, scatter = np.ptp((new - old)[both]), np.ptp(old[both])
            stranger = bool(min(wander, scatter) > SAME_DRAWS)
        if stranger:
            found.append(after.layers[j].name)
    return found
