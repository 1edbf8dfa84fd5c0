"""The weights before the first update, held against what their initializers promise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradscope.catalog.weight_promises import WeightPromise
from gradscope.record import InitialWeight, RunRecord
from gradscope.theory.prediction import LEVEL


class WeightState(StrEnum):
    """How a weight matrix stands to the initializer of its layer."""

    AS_INITIALISED = "as_initialised"
    """Mean, variance and limits are those of a draw of the initializer."""
    NOT_AS_INITIALISED = "not_as_initialised"
    """No draw of the initializer: loaded, trained or assigned."""
    NO_PROMISE = "no_promise"
    """The layer names no initializer, or one that the catalog does not have."""


@dataclass(frozen=True)
class WeightStanding:
    """One weight matrix before the first update.

    `interval` has the ends within which its variance lies in `LEVEL` of all initialisations, for
    all matrices of the network together; None without a promise.
    """

    weight: InitialWeight
    promise: WeightPromise | None
    interval: tuple[float, float] | None
    state: WeightState

    @property
    def reach(self) -> float:
        """The largest distance of an entry from the promised mean, or from 0 without a promise."""
        centre = self.promise.mean if self.promise else 0.0
        return max(self.weight.maximum - centre, centre - self.weight.minimum)


def weight_standings(record: RunRecord) -> tuple[WeightStanding, ...]:
    """Every weight matrix of the record, in the order of the layers."""
    promises = [weight.promise for weight in record.initial_weights]
    # Bonferroni, as for the bands of theory: a mean and a variance of each matrix.
    compared = 2 * sum(made is not None for made in promises)
    tail = 0.5 * (1.0 - LEVEL) / max(compared, 1)
    pairs = zip(record.initial_weights, promises, strict=True)
    return tuple(_standing(weight, made, tail) for weight, made in pairs)


def _standing(weight: InitialWeight, made: WeightPromise | None, tail: float) -> WeightStanding:
    if made is None:
        return WeightStanding(weight, None, None, WeightState.NO_PROMISE)
    interval, (low, high) = made.variance_limits(tail), made.mean_limits(tail)
    whole = WeightStanding(weight, made, interval, WeightState.AS_INITIALISED)
    inside = interval[0] <= weight.variance <= interval[1] and low <= weight.mean <= high
    if inside and (made.limit is None or whole.reach <= made.limit * (1.0 + made.rounding)):
        return whole
    return WeightStanding(weight, made, interval, WeightState.NOT_AS_INITIALISED)
