"""Everything theory has to say about one network at initialisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradscope.catalog.losses import default_loss
from gradscope.record import LayerInfo
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.batch_norm.recursion import repeated_rate
from gradscope.theory.dead_units import dead_fraction
from gradscope.theory.depth_recursion import Found, find
from gradscope.theory.fixed_points import FixedPoint, fixed_point, normed_fixed_point
from gradscope.theory.output.initial_loss import Head, head_of
from gradscope.theory.prediction import Prediction

__all__ = ["Forecast", "Task", "forecast", "no_forecast"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """What the network is trained to do: `loss` by Keras's name, and E y^2 of real targets."""

    loss: str
    target_second_moment: float = 1.0

    @classmethod
    def from_targets(cls, loss: str, activation: str | None, targets: Floats | None) -> Task:
        """The loss that the config names, or for ``auto`` the default of this output activation.

        `targets` are real targets, None for classes.
        """
        if loss == "auto":
            loss = default_loss(activation, "class_index" if targets is None else "real")
        if targets is None:
            return cls(loss)
        return cls(loss, float(np.mean(np.square(targets, dtype=np.float64))))


@dataclass(frozen=True)
class Forecast:
    """The prediction per layer, and what it means for the network.

    `layers` are the hidden layers and the output layer, in the order of the prediction.
    `dead_on_batch` and `dead_on_probe` have one share per hidden layer. `fixed_point` and `head`
    are None outside theory. `seeds` is how many seeds a band of means is asked for.
    """

    name: str
    layers: tuple[LayerInfo, ...]
    geometry: SampleGeometry
    batch_size: int
    probe_samples: int
    seeds: int
    prediction: Prediction
    fixed_point: FixedPoint | None = None
    head: Head | None = None
    dead_on_batch: Floats | None = None
    dead_on_probe: Floats | None = None

    @property
    def outside(self) -> str:
        """Why there is no band: theory does not hold, or only without one; empty when it holds."""
        return self.prediction.outside or self.prediction.no_band


def forecast(
    name: str,
    layers: Sequence[LayerInfo],
    geometry: SampleGeometry,
    task: Task,
    *,
    batch_norm_epsilon: float,
    batch_size: int,
    probe_samples: int,
    seeds: int,
) -> Forecast:
    """Foresee the network of these layers on data of this geometry."""
    found = find(layers, geometry, batch_norm_epsilon, batch_size)
    weighted = tuple(layer for layer in layers if layer.role in ("hidden", "output"))
    facts = (name, weighted, geometry, batch_size, probe_samples, seeds, found.prediction)
    if found.profile is None:
        return Forecast(*facts)
    return Forecast(
        *facts,
        fixed_point=_fixed_point(found, batch_norm_epsilon, batch_size),
        head=_head(found, task),
        dead_on_batch=_dead(found, batch_size),
        dead_on_probe=_dead(found, probe_samples),
    )


def no_forecast(name: str, reason: str, batch_size: int, probe_samples: int) -> Forecast:
    """What there is to say about a network that is not known before it is built."""
    empty = np.array([])
    prediction = Prediction((), empty, empty, empty, empty, empty, outside=reason)
    return Forecast(name, (), SampleGeometry(math.nan), batch_size, probe_samples, 1, prediction)


def _fixed_point(found: Found, epsilon: float, batch_size: int) -> FixedPoint:
    block, profile = found.hidden[-1], found.profile
    assert profile is not None
    if block.normalization is None:
        return fixed_point(block)
    return normed_fixed_point(
        float(profile.q[-1]),
        float(profile.correlation[-1]),
        repeated_rate(block, epsilon, batch_size),
    )


def _head(found: Found, task: Task) -> Head | None:
    output, profile = found.output, found.profile
    if output is None or profile is None:
        return None
    return head_of(
        output.activation,
        task.loss,
        units=output.units,
        variances=output.forward * profile.fed + output.bias_variance,
        shares=profile.sample_shares,
        target_second_moment=task.target_second_moment,
        drop=profile.last_slope * output.backward,
    )


def _dead(found: Found, samples: int) -> Floats:
    profile = found.profile
    assert profile is not None
    return np.array(
        [
            dead_fraction(block, float(q) - block.bias_mean**2, float(c), samples)
            for block, q, c in zip(found.hidden, profile.q, profile.correlation, strict=True)
        ]
    )
