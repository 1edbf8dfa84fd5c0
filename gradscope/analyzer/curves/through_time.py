"""How the gradient of a recurrent layer's states changes from time step to time step, as ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.analyzer.curves.depth_profile import rate_per_layer
from gradscope.record import LayerInfo, RunRecord
from gradscope.record.run_record import Floats, Integers


@dataclass(frozen=True)
class TimeProfile:
    """Rms of dL/dh_t over its largest at any time step, [step, time], of one recurrent layer.

    Time runs as the layer reads its input: a layer that goes backwards has the input's last step
    first. NaN where the mask leaves out every sample, where a value is not finite, and where the
    whole row is zero.
    """

    layer: LayerInfo
    relative: Floats
    steps: Integers

    @property
    def only_last(self) -> bool:
        """Whether the layer gives its last state alone, so that all gradient comes back from it."""
        return self.layer.positions == 1

    @property
    def first(self) -> Floats:
        """The ratio at the first time step that counts, [step]."""
        counted = np.argmax(np.isfinite(self.relative), axis=1)
        first: Floats = self.relative[np.arange(len(self.relative)), counted]
        return first

    @property
    def typical(self) -> Floats:
        """The profile [time] of the last quarter of the steps: a geometric mean."""
        return window.typical(self.relative, self.steps)

    @property
    def rate_going_back(self) -> float:
        """Factor from one time step to the one before it; NaN where fewer than two are not zero."""
        return 1.0 / rate_per_layer(self.typical)


def time_profiles(record: RunRecord) -> tuple[TimeProfile, ...]:
    """The profiles of the recurrent layers that were followed, in depth order."""
    return tuple(
        TimeProfile(
            layer, _relative(record.recurrent_delta[layer.name], layer.go_backwards), record.steps
        )
        for layer in record.layers
        if layer.name in record.recurrent_delta and (layer.time_steps or 0) > 1
    )


def _relative(second_moment: Floats, backwards: bool) -> Floats:
    rms = np.sqrt(np.where(np.isfinite(second_moment), second_moment, np.nan))
    largest = np.fmax.reduce(rms, axis=1)[:, None]
    relative: Floats = rms / np.where(largest > 0, largest, np.nan)
    return relative[:, ::-1] if backwards else relative


def gradient_at_first_step(profile: TimeProfile, profiles: Sequence[TimeProfile]) -> Floats:
    """The ratio at the first time step, [step], by the path that keeps the most of it.

    An earlier layer with as many time steps that returns each of its states carries what was read
    first to the later states of `profile`.
    """
    paths = [
        other.first
        for other in profiles
        if not other.only_last
        and other.layer.index < profile.layer.index
        and other.layer.time_steps == profile.layer.time_steps
    ]
    best: Floats = np.fmax.reduce([profile.first, *paths])
    return best
