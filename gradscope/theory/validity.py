"""Where the figures stand but no band can be promised, and what every prediction takes for granted."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.profile import Profile
from gradscope.theory.scope import Block


def no_band_because(
    hidden: Sequence[Block], profile: Profile, geometry: SampleGeometry, batch_size: int
) -> str:
    return ""


def assumptions_of(
    hidden: Sequence[Block], geometry: SampleGeometry, batch_size: int
) -> tuple[str, ...]:
    return ()
