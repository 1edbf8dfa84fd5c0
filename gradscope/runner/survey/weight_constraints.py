"""Constraints of weights: what they make of the initial entries, and the model under them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from gradscope.record import WeightConstraint


def weight_constraint(variable: Any) -> WeightConstraint | None:
    """What the constraint of `variable` makes of its present entries; None where it has none."""
    if variable.constraint is None:
        return None
    before = keras.ops.convert_to_numpy(variable.value).astype(np.float64)
    after = _constrained(variable).astype(np.float64)
    size = _rms(before)
    config = _config(variable.constraint)
    axis = config.get("axis")
    return WeightConstraint(
        name=type(variable.constraint).__name__,
        ratio=_rms(after) / size if size > 0.0 else 1.0,
        change=_rms(after - before) / size if size > 0.0 else 0.0,
        parameters=config,
        norm=None if axis is None else _largest_norm(before, axis),
    )


@contextlib.contextmanager
def constrained_weights(model: Any) -> Iterator[bool]:
    """Apply the constraints to the weights of `model` within the block, and take it back.

    Gives whether any trained weight has a constraint.
    """
    variables = [v for v in model.trainable_variables if v.constraint is not None]
    kept = [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]
    try:
        for variable in variables:
            variable.assign(_constrained(variable))
        yield bool(variables)
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)


def _constrained(variable: Any) -> npt.NDArray[Any]:
    return np.asarray(keras.ops.convert_to_numpy(variable.constraint(variable.value)))


def _config(constraint: Any) -> dict[str, object]:
    """The numbers of its config; a constraint of the user's own may have none."""
    config = constraint.get_config() if hasattr(constraint, "get_config") else {}
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in config.items()}
    return {name: v for name, v in plain.items() if isinstance(v, (int, float, str, list))}


def _largest_norm(values: npt.NDArray[np.float64], axis: Any) -> float | None:
    axes = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    if not all(isinstance(each, int) and -values.ndim <= each < values.ndim for each in axes):
        return None
    return float(np.sqrt(np.square(values).sum(axis=axes)).max())


def _rms(values: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0
