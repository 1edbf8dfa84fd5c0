"""Profile: the result of a recursion over depth, from which the prediction is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradscope.theory.prediction import Band

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Profile:
    """Second moments per hidden layer, in depth order.

    `q` and `m` are E z^2 and E a^2, `mean` is E a, `correlation` the mean correlation of z over
    pairs of samples; `delta` and `kernel` are E delta^2 and the kernel gradient's second moment
    over those of the last hidden layer. `output_input` is E x^2 of the output layer's input for
    `sample_shares` of the samples, `last_slope` the factor on the gradient's second moment from
    there back to the last hidden layer's z. `signal_band` may have the output layer's z as well.
    """

    q: Floats
    m: Floats
    mean: Floats
    delta: Floats
    kernel: Floats
    correlation: Floats
    output_input: Floats
    sample_shares: Floats
    last_slope: float
    signal_band: Band | None = None
    activation_band: Band | None = None
    delta_band: Band | None = None
