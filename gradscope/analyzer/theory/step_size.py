"""The learning rate with which steps change the weights by a usual share."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.record import Action, Remedy, Role, RunRecord

USUAL = 1e-3
"""Change of the weights in a step, over their size: the aim of practice (Karpathy, CS231n)."""

NORMALIZED = 10.0
"""How much larger the first step of an optimizer is that divides by the root of the gradients'
second moment: it moves each weight by the whole rate, later ones by what is left of it after
averaging. In the healthy runs of the wide corpus with Adam the first step changes a layer by 0.02
to 0.05 in the median, later ones by 0.002 to 0.01; with SGD both are near 0.004."""

_NOT_NORMALIZED = frozenset(["sgd", "adagrad"])
"""Optimizers whose first steps scale with the gradient, and one that starts with large moments."""

CLEARLY = 3.0
"""Factor by which a rate has to be lower to be worth a try; within its square of another rate it
is as good as that."""


HOPELESS = 100.0
"""Factor on the learning rate from which nobody waits instead: 300 steps become 30,000."""


def lower_learning_rate(record: RunRecord) -> Remedy:
    """The remedy against steps that are too large: a rate that was computed.

    A step is proportional to the rate until the weights have moved far: rate times the usual change
    over the measured one. Keras's default is named in its place where it is as good. A tenth of the
    rate in use where the steps were not measured, or are not what is too large.
    """
    if record.objective is not None and record.objective.reduction == "sum":
        return Remedy(Action.AVERAGE_LOSS)
    name, rate = _optimizer(record)
    if not rate > 0.0:
        return Remedy(Action.LOWER_LEARNING_RATE)
    known = [lower for lower in _computed(record, name) if lower <= rate / CLEARLY]
    lower, usual = known[0] if known else rate / 10, _default(name)
    action = Action.LOWER_LEARNING_RATE
    if usual <= rate / CLEARLY and (_as_good(usual, lower) or (not known and usual < lower)):
        action, lower = Action.DEFAULT_LEARNING_RATE, usual
    setting = ("training.learning_rate", float(f"{lower:.1g}"))
    return Remedy(action, (setting,), replaces=rate)


def raise_learning_rate(record: RunRecord) -> tuple[Remedy, ...]:
    """The remedy against steps that are too small, as `lower_learning_rate` against large ones.

    () where the rate is not one number, or the last steps are within `CLEARLY`**2 of the usual
    size.
    """
    name, rate = _optimizer(record)
    known = list(_computed(record, name)) if rate > 0.0 else []
    if not known or known[-1] < rate * CLEARLY**2:
        return ()
    higher, usual = known[0], _default(name)
    if _as_good(usual, higher):
        higher = usual
    setting = ("training.learning_rate", float(f"{higher:.1g}"))
    return (Remedy(Action.RAISE_LEARNING_RATE, (setting,), replaces=rate),)


def is_hopeless(remedy: Remedy) -> bool:
    """Whether the rate that a remedy raises is so small that more steps do not make up for it."""
    if remedy.action is not Action.RAISE_LEARNING_RATE or remedy.replaces is None:
        return False
    return any(float(str(rate)) > HOPELESS * remedy.replaces for _, rate in remedy.settings)


def _default(name: str) -> float:
    """Keras's learning rate for the optimizer; NaN where it has no number."""
    usual = OPTIMIZERS[name].parameters["learning_rate"].default if name in OPTIMIZERS else None
    return float(usual) if isinstance(usual, (int, float)) else math.nan


def _as_good(usual: float, computed: float) -> bool:
    return computed / CLEARLY**2 <= usual <= computed * CLEARLY**2


def _optimizer(record: RunRecord) -> tuple[str, float]:
    """Its name in the catalog, and the rate in use; 0.0 where that is not one number.

    A schedule's has no key that one number fits.
    """
    optimizer = record.config["training"]["optimizer"]
    if optimizer != "auto":
        rate = optimizer["parameters"].get("learning_rate")
        return optimizer["name"], float(rate) if isinstance(rate, (int, float)) else 0.0
    objective, rates = record.objective, record.scalars["learning_rate"]
    used = rates[(record.steps > 0) & np.isfinite(rates)]
    if (objective is not None and objective.schedule) or not used.size:
        return "", 0.0
    name = objective.optimizer.lower() if objective is not None else ""
    return name, float(f"{used.max():.4g}")


def _computed(record: RunRecord, name: str) -> Iterator[float]:
    """Rates by the first step, and by the steps of the last quarter."""
    columns = list(record.indices(Role.HIDDEN, Role.OUTPUT))
    rates = record.scalars["learning_rate"]
    started = record.series["weight_second_moment"][:1, columns]
    changes = record.series["update_ratio"][:, columns]
    # Weights that start at zero change by all of their size.
    usable = np.isfinite(changes) & (changes > 0) & ~np.any(started == 0.0, axis=0)
    rows = np.flatnonzero(usable.any(axis=1) & np.isfinite(rates) & (rates > 0))
    if not rows.size:
        return
    typical = window.median(np.where(usable, changes, np.nan)[rows].T)
    aim = USUAL if name in _NOT_NORMALIZED else NORMALIZED * USUAL
    yield float(rates[rows[0]]) * aim / float(typical[0])
    late = window.last_quarter(record.steps[rows])
    level = float(np.median(typical[late]))
    if math.isfinite(level) and level > 0:
        yield float(rates[rows][late].max()) * USUAL / level
