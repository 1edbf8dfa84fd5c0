"""The row of one member: the figures that a sweep keeps of a record and of a prediction."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradscope.analyzer.curves.depth_profile import depth_profile, rate_per_layer
from gradscope.analyzer.curves.window import last_quarter, mean, median, typical
from gradscope.analyzer.theory import expectation
from gradscope.config.experiment import ExperimentConfig
from gradscope.record import Diagnosis, LayerInfo, Role, RunRecord
from gradscope.record.run_record import Floats
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.record.sweep_table import Cell, Profile, RowStatus
from gradscope.theory.forecast import outlook

Figures = dict[str, Cell]


def record_figures(
    record: RunRecord, diagnosis: Diagnosis, *, trained: bool
) -> tuple[Figures, Profile]:
    """The cells and the profile of a measured member."""
    profile = depth_profile(record)
    status = RowStatus(str(record.outcome.status))
    cells: Figures = {
        "status": str(status),
        "verdict": str(diagnosis.verdict),
        "code": diagnosis.codes[0] if diagnosis.codes else "",
        "reason": "" if status is RowStatus.COMPLETE else record.outcome.sentence,
        "hidden_layers": len([x for x in record.layers if x.role == Role.HIDDEN]),
        "seconds": record.seconds,
    }
    lines: dict[str, tuple[float, ...]] = {}
    if len(record.steps):
        rows = {"init": (profile.signal[0], profile.delta_relative[0])}
        if trained and len(record.steps) > 1:
            rows["trained"] = (
                typical(profile.signal, record.steps),
                typical(profile.delta_relative, record.steps),
            )
        for moment, (signal, delta) in rows.items():
            cells |= _depth_figures(moment, signal, delta)
            cells |= _shares(record, moment)
            lines[f"{moment}_signal"] = tuple(map(float, signal))
            lines[f"{moment}_delta"] = tuple(map(float, delta))
        cells |= _losses(record, trained=trained)
    return cells, Profile(layers=profile.names, **lines)


def _depth_figures(moment: str, signal: Floats, delta: Floats) -> Figures:
    rate = rate_per_layer(delta)
    return {
        f"{moment}_delta_ratio": float(delta[0]) if len(delta) > 1 else math.nan,
        f"{moment}_delta_per_layer": 1.0 / rate if rate > 0 else math.nan,
        f"{moment}_signal_per_layer": rate_per_layer(signal),
    }


def _shares(record: RunRecord, moment: str) -> Figures:
    """Dead units of the worst hidden layer, and its share of the largest derivative."""
    hidden = list(record.indices(Role.HIDDEN))
    if not hidden:
        return {}
    dead = record.series["dead_fraction"][:, hidden]
    gain = record.series["derivative_gain"][:, hidden]
    if moment == "init":
        return {
            "init_dead_fraction": _worst(dead[0], largest=True),
            "init_derivative_gain": _worst(gain[0], largest=False),
        }
    measured = np.flatnonzero(np.isfinite(dead).any(axis=1))
    last = dead[measured[-1]] if measured.size else np.array([])
    window = last_quarter(record.steps)
    return {
        "trained_dead_fraction": _worst(last, largest=True),
        "trained_derivative_gain": _worst(median(gain[window]), largest=False),
    }


def _worst(values: Floats, *, largest: bool) -> float:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return math.nan
    return float(finite.max() if largest else finite.min())


def _losses(record: RunRecord, *, trained: bool) -> Figures:
    loss, accuracy = record.scalars["loss"], record.scalars["accuracy"]
    cells: Figures = {"initial_loss": float(loss[0])}
    if trained:
        window = last_quarter(record.steps)
        cells["loss"] = float(median(loss[window][:, np.newaxis])[0])
        cells["accuracy"] = float(mean(accuracy[window][:, np.newaxis])[0])
        cells |= {
            name: record.evaluation[name]
            for name in ("test_loss", "test_accuracy")
            if name in record.evaluation
        }
    return cells


def theory_figures(
    config: ExperimentConfig,
    layers: Sequence[LayerInfo],
    geometry: SampleGeometry | None,
    batch_size: int,
) -> tuple[Figures, Mapping[str, tuple[Any, ...]]]:
    """What theory expects of a network of these layers, and its profile over depth."""
    started = time.perf_counter()
    cells: Figures = {"hidden_layers": len([x for x in layers if x.role == Role.HIDDEN])}
    if geometry is None:
        return cells | {"theory_outside": "how the samples differ is not known"}, {}
    prediction, fixed = outlook(layers, geometry, config.model.batch_norm.epsilon, batch_size)
    if prediction.outside or fixed is None:
        return cells | {"theory_outside": prediction.outside or "no hidden layers"}, {}
    with np.errstate(all="ignore"):
        signal = np.sqrt(prediction.preactivation_second_moment[:-1])
        delta = np.sqrt(prediction.delta_relative[:-1])
    cells |= {
        "theory_delta_ratio": float(delta[0]) if len(delta) > 1 else math.nan,
        "theory_delta_per_layer": expectation.gradient_rate(prediction),
        "theory_signal_per_layer": expectation.signal_rate(prediction),
        "theory_chi_1": fixed.chi_1,
        "theory_correlation_scale": fixed.correlation_scale,
        "theory_trainable_depth": fixed.trainable_depth,
        "theory_outside": "",
        "seconds": time.perf_counter() - started,
    }
    lines: dict[str, tuple[Any, ...]] = {
        "layers": tuple(prediction.names[:-1]),
        "theory_signal": tuple(map(float, signal)),
        "theory_delta": tuple(map(float, delta)),
    }
    return cells, lines
