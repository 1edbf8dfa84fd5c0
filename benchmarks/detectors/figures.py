"""Plain numbers of single tensors, for the other tools' rules; numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Figures = dict[str, Any]


def _finite(values: Array) -> Array:
    return values[np.isfinite(values)].astype(np.float64)


def of_gradient(values: Array) -> Figures:
    """Sizes, zeros and spread of a gradient."""
    finite = _finite(values)
    return {
        "mean_abs": float(np.abs(finite).mean()) if finite.size else 0.0,
        "l2": float(np.sqrt(np.square(finite).sum())),
        "max_abs": float(np.abs(finite).max(initial=0.0)),
        "mean": float(finite.mean()) if finite.size else 0.0,
        "zeros": int(np.count_nonzero(values == 0)),
        "size": int(values.size),
        "lost": int(values.size - finite.size),
        "range_90": float(np.subtract(*np.percentile(finite, [95, 5]))) if finite.size else 0.0,
    }


def of_weight(values: Array) -> Figures:
    """Sizes and signs of a weight."""
    finite = _finite(values)
    return {
        "mean_abs": float(np.abs(finite).mean()) if finite.size else 0.0,
        "l2": float(np.sqrt(np.square(finite).sum())),
        "mean": float(finite.mean()) if finite.size else 0.0,
        "small": float(np.mean(np.abs(values) < 1e-5)),
        "negative": float(np.mean(values < 0)),
        "lost": int(values.size - finite.size),
    }


def update(old: Array, new: Array) -> Figures:
    """Mean absolute and L2 change of a weight in one step, over the same of the weight."""
    with np.errstate(all="ignore"):
        change = np.abs(new.astype(np.float64) - old)
        mean, before = float(change.mean()), float(np.abs(old.astype(np.float64)).mean())
    return {"mean_abs": mean, "before": before}


def of_activation(name: str, z: Array | None, a: Array) -> Figures:
    """What the rules about activations look at: values and units of one layer on one batch.

    Units are the last axis; a unit's values are those of all samples and places.
    """
    units = a.reshape(-1, a.shape[-1]).astype(np.float64)
    figures: Figures = {
        "activation": name,
        "mean": float(np.nan_to_num(units.mean())),
        "mean_abs": float(np.nan_to_num(np.abs(units).mean())),
        "std": float(np.nan_to_num(units.std())),
        "not_positive": float(np.mean(units <= 0)),
        "zeros": float(np.mean(units == 0)),
        "lost": int(np.count_nonzero(~np.isfinite(units))),
        "inactive_units": float(np.mean(np.mean(units > 0, axis=0) < 0.01)),
        "p95_small_units": float(np.mean(np.percentile(np.abs(units), 95, axis=0) < 1e-5)),
        "values": int(units.size),
        "saturated_units_rho": float(np.mean(_rho(units) > 0.85)),
    }
    if z is not None:
        flat = z.reshape(-1, z.shape[-1]).astype(np.float64)
        low, high = {"tanh": (-9.4999, 9.4999), "sigmoid": (-23.0, 16.99999)}.get(
            name, (-np.inf, np.inf)
        )
        inside = np.mean((flat > low) & (flat < high), axis=0)
        figures |= {
            "beyond_5": float(np.mean(np.abs(flat) >= 5)),
            "never_inside_units": float(np.mean(inside < 0.01)),
            "input_variance": float(np.nan_to_num(flat.var())),
        }
    return figures


def _rho(units: Array) -> Array:
    """Rakitianskaia & Engelbrecht's saturation measure per unit: 50 bins over 0 to 1.

    The bins' mean distances from the middle, weighted by their counts (TheDeepChecker bins a tanh
    over 0 to 1 as well).
    """
    edges = np.linspace(0.0, 1.0, 51)
    place = np.digitize(units, edges) - 1
    kept = (place >= 0) & (place < 50)
    columns = np.broadcast_to(np.arange(units.shape[1]), units.shape)
    sums = np.zeros((units.shape[1], 50))
    np.add.at(sums, (columns[kept], place[kept]), 2.0 * (units[kept] - 0.5))
    # A bin's count times the size of its mean is the size of its sum.
    rho: Array = np.abs(sums).sum(axis=1) / np.maximum(kept.sum(axis=0), 1)
    return rho


def share(answer: Array, targets: Array) -> Figures:
    """Ranges of output and labels, and the largest row sum of the output."""
    finite = _finite(answer)
    return {
        "range": float(np.ptp(finite)) if finite.size else 0.0,
        "target_range": float(np.ptp(targets.astype(np.float64))),
        "row_sum": float(np.nan_to_num(np.abs(answer.reshape(len(answer), -1)).sum(-1)).max()),
    }
