"""Prediction: what theory expects of each layer at initialisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """Expected second moments at initialisation, one value per hidden layer and the output layer.

    `names` are the layers' names in depth order, the output layer last. All arrays have one value
    per name; `delta_relative` is E delta_l^2 over E delta^2 of the last hidden layer (so 1 there;
    NaN for the output layer, where the softmax head breaks the recursion). `forward_gain[l]` is
    q_l / q_(l-1) (NaN for the first), `backward_gain[l]` is p_l / p_(l+1) (NaN for the last hidden
    and the output). `outside` says why theory does not hold here; where it is not empty the arrays
    are NaN. `assumptions` is what was taken for granted, for the reader.
    """

    names: tuple[str, ...]
    preactivation_second_moment: Floats
    activation_second_moment: Floats
    forward_gain: Floats
    backward_gain: Floats
    delta_relative: Floats
    assumptions: tuple[str, ...] = ()
    outside: str = ""
