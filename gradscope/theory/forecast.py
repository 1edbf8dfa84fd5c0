"""The forecast of one network at initialisation: prediction, fixed point, loss, dead units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.catalog.losses import default_loss
from gradscope.record import LayerInfo
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.batch_norm.recursion import repeated_rate
from gradscope.theory.dead_units import dead_fraction
from gradscope.theory.depth_recursion import DepthRecursion, depth_recursion
from gradscope.theory.fixed_points import FixedPoint, batch_norm_fixed_point, fixed_point
from gradscope.theory.output.initial_loss import Head, initial_head
from gradscope.theory.prediction import Prediction

__all__ = ["Forecast", "Task", "forecast", "no_forecast", "outlook"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """What the network is trained to do: `loss` by Keras's name, and E y^2 of real targets."""

    loss: str
    target_second_moment: float = 1.0

    @classmethod
    def from_data(
        cls, loss: str, activation: str | None, y: npt.NDArray[Any], classes: int | None
    ) -> Task:
        """The loss that the config names, or for ``auto`` the default of this output activation.

        `y` are class indices, or real targets where `classes` is None.
        """
        if loss == "auto":
            loss = default_loss(activation, "real" if classes is None else "class_index")
        if classes is not None:
            return cls(loss)
        return cls(loss, float(np.mean(np.square(y, dtype=np.float64))))


@dataclass(frozen=True)
class Forecast:
    """The prediction per layer, and the figures of the whole network that follow from it.

    `layers` are the hidden layers and the output layer, in the order of the prediction.
    `dead_on_batch` and `dead_on_probe` have one share per hidden layer. `fixed_point` and `head`
    are None outside theory. `seeds` is the number of seeds that the mean in a band is taken over.
    `notes` are sentences on a forecast by draws: what decides the size, what could not be drawn.
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
    notes: tuple[str, ...] = ()

    @property
    def draws(self) -> int:
        """How many draws of the weights the figures are from; 0 where theory gives them."""
        band = self.prediction.preactivation_band
        return band.draws if band is not None else 0

    @property
    def outside(self) -> str:
        """Why there is no band: theory does not hold, or has figures only; empty with a band."""
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
    """The forecast of a network of these layers on data of this geometry."""
    recursion = depth_recursion(layers, geometry, batch_norm_epsilon, batch_size)
    weighted = tuple(layer for layer in layers if layer.weighted)
    common = (name, weighted, geometry, batch_size, probe_samples, seeds, recursion.prediction)
    if recursion.profile is None:
        return Forecast(*common)
    return Forecast(
        *common,
        fixed_point=_fixed_point(recursion, batch_norm_epsilon, batch_size),
        head=_head(recursion, task),
        dead_on_batch=_dead_fractions(recursion, batch_size),
        dead_on_probe=_dead_fractions(recursion, probe_samples),
    )


def outlook(
    layers: Sequence[LayerInfo],
    geometry: SampleGeometry,
    batch_norm_epsilon: float,
    batch_size: int,
) -> tuple[Prediction, FixedPoint | None]:
    """The prediction and the fixed point alone, without the output layer's loss and dead units."""
    recursion = depth_recursion(layers, geometry, batch_norm_epsilon, batch_size)
    if recursion.profile is None:
        return recursion.prediction, None
    return recursion.prediction, _fixed_point(recursion, batch_norm_epsilon, batch_size)


def no_forecast(name: str, reason: str, batch_size: int, probe_samples: int) -> Forecast:
    """The forecast of a network whose layers are not known before it is built: only a reason."""
    empty = np.array([])
    prediction = Prediction((), empty, empty, empty, empty, empty, outside=reason)
    return Forecast(name, (), SampleGeometry(math.nan), batch_size, probe_samples, 1, prediction)


def _fixed_point(recursion: DepthRecursion, epsilon: float, batch_size: int) -> FixedPoint:
    block, profile = recursion.hidden[-1], recursion.profile
    assert profile is not None
    if block.normalization is None:
        return fixed_point(block)
    return batch_norm_fixed_point(
        float(profile.q[-1]),
        float(profile.correlation[-1]),
        repeated_rate(block, epsilon, batch_size),
    )


def _head(recursion: DepthRecursion, task: Task) -> Head | None:
    output, profile = recursion.output, recursion.profile
    if output is None or profile is None:
        return None
    return initial_head(
        output.activation,
        task.loss,
        units=output.units,
        variances=output.forward * profile.output_input + output.bias_variance,
        shares=profile.sample_shares,
        target_second_moment=task.target_second_moment,
        drop=profile.last_slope * output.backward,
    )


def _dead_fractions(recursion: DepthRecursion, samples: int) -> Floats:
    profile = recursion.profile
    assert profile is not None
    return np.array(
        [
            dead_fraction(block, float(q) - block.bias_mean**2, float(c), samples)
            for block, q, c in zip(recursion.hidden, profile.q, profile.correlation, strict=True)
        ]
    )
