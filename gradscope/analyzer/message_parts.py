"""How findings name layers and rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

_LISTED = 3


def layer_names(names: Sequence[str], positions: Sequence[int], *, count: bool = True) -> str:
    """Name layers shortly: ``hidden_1``, ``hidden_1 to hidden_14``, ``hidden_2 and hidden_5``.

    `positions` are those of the layers among their kind, ascending; neighbours are named as a
    range. `count` says how many, where neither all names nor a range says it.
    """
    if len(names) == 1:
        return names[0]
    if positions[-1] - positions[0] == len(names) - 1:
        return f"{names[0]} to {names[-1]}"
    if len(names) <= _LISTED:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    many = f"{len(names)} layers" if count else "layers"
    return f"{many} from {names[0]} to {names[-1]}"


def short_number(value: float) -> str:
    """Two significant digits, without an exponent below 10,000: `0.31`, `3400`, `7.4e+05`."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:.0f}" if 100.0 <= abs(rounded) < 1e4 else f"{rounded:.2g}"


def times_text(ratio: float) -> str:
    """A change beside the size it changes: `0.31 of`, `2 times`."""
    return f"{short_number(ratio)} {'of' if ratio < 1.0 else 'times'}"


def rate_text(rate: float, suffix: str = "") -> str:
    """` (x0.71 per layer)`, or nothing where layers without a figure leave no rate to tell."""
    return f" (x{rate:.2g} per layer{suffix})" if math.isfinite(rate) else ""
