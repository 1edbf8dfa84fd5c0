"""The exact second moment of a linear layer's output, or gradient, given what comes in.

For weights that are independent and of mean 0 it is the layer's own map of x^2 with E w^2 in place
of every weight (He et al. 2015, eq. 6 to 8, before averaging over inputs).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gradscope.record.initial_draws import InitialDraws

Floats = npt.NDArray[np.float64]


def local_logs(draws: InitialDraws, at: int, *, backward: bool = False) -> Floats:
    """ln(measured / exact rule) of map `at`, of second moments [1 + draw].

    The rule is the map of x^2 with E w^2 in place of every weight, and of (E x)^2 where the
    weights have a mean; E w^2 is that of all draws together.
    """
    figures, weights = draws.figures, draws.maps[at].weights
    measured, response = ("output", "response")
    if backward:
        measured, response = ("input_delta", "delta_response")
    rule = figures[response][:, at] * expected_square(draws, weights)
    if not backward and len(weights) == 1:
        mean, error = _mean(draws, weights[0])
        shifted = figures["mean_response"][:, at]
        if abs(mean) > 4.0 * error and np.isfinite(shifted).all():
            variance = expected_square(draws, weights) - mean**2
            rule = figures[response][:, at] * variance + shifted * mean**2
    with np.errstate(all="ignore"):
        logs: Floats = np.log(figures[measured][:, at] / rule)
    return logs


def expected_square(draws: InitialDraws, weights: Sequence[int]) -> float:
    """E w^2 over all draws; the product where one weight acts on what another gives."""
    squares = draws.figures["weight_second_moment"][1:, list(weights)]
    return float(np.prod(squares.mean(axis=0)))


def _mean(draws: InitialDraws, at: int) -> tuple[float, float]:
    """E w over all draws, and its standard error."""
    means = draws.figures["weight_mean"][1:, at]
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))
