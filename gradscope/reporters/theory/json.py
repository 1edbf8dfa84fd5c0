"""A forecast as JSON for programs; documented in docs/theory.md."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from gradscope.record.files.strict_json import dumps, plain
from gradscope.record.run_record import Floats
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.theory import THEORY_FORMS
from gradscope.reporters.theory_bands import limits
from gradscope.theory.forecast import Forecast
from gradscope.theory.prediction import LEVEL

SCHEMA = "gradscope.theory/1"
_FIGURES = (
    "preactivation_second_moment",
    "activation_second_moment",
    "activation_variance",
    "forward_gain",
    "backward_gain",
    "delta_relative",
    "kernel_gradient_relative",
)


@THEORY_FORMS.register("json")
def json_text(forecast: Forecast, options: ReportOptions) -> str:
    """Render one strict JSON object; what is not finite is null."""
    del options
    return dumps(result(forecast)) + "\n"


def result(forecast: Forecast) -> dict[str, Any]:
    """The object as data."""
    fixed, head = forecast.fixed_point, forecast.head
    content = {
        "schema": SCHEMA,
        "name": forecast.name,
        "outside": f"outside theory: {forecast.outside}" if forecast.outside else None,
        "layers": _layers(forecast),
        "chi_1": fixed.chi_1 if fixed else None,
        "depth_scale": fixed.correlation_scale if fixed else None,
        "trainable_depth": fixed.trainable_depth if fixed else None,
        "depth_scales": {
            "signal": fixed.signal_scale,
            "correlation": fixed.correlation_scale,
            "gradient": fixed.gradient_scale,
        }
        if fixed
        else None,
        "fixed_point": {"q": fixed.q, "correlation": fixed.correlation} if fixed else None,
        "head": asdict(head) if head else None,
        "initial_loss": head.initial_loss if head else None,
        "input": asdict(forecast.geometry) | {"norm_variation": forecast.geometry.norm_variation},
        "batch_size": forecast.batch_size,
        "probe_samples": forecast.probe_samples,
        "band_level": LEVEL,
        "seeds": forecast.seeds,
        "assumptions": forecast.prediction.assumptions,
    }
    if forecast.draws:
        content |= {"source": "draws", "draws": forecast.draws, "notes": forecast.notes}
    values: dict[str, Any] = plain(content)
    return values


def _layers(forecast: Forecast) -> list[dict[str, Any]]:
    prediction = forecast.prediction
    single, mean = limits(prediction, 1), limits(prediction, forecast.seeds)
    rows = []
    for i, layer in enumerate(forecast.layers):
        row: dict[str, Any] = {"name": layer.name, "role": layer.role}
        row |= {figure: float(getattr(prediction, figure)[i]) for figure in _FIGURES}
        row["dead_on_batch"] = _share(forecast.dead_on_batch, i)
        row["dead_on_probe"] = _share(forecast.dead_on_probe, i)
        row["band"] = _band(single, i)
        row["band_of_mean"] = _band(mean, i) if forecast.seeds > 1 else None
        rows.append(row)
    return rows


def _band(ends: dict[str, tuple[Floats, Floats]], i: int) -> dict[str, tuple[float, float]] | None:
    """The layer's bands by figure; None where theory has none."""
    pairs = {name: (float(low[i]), float(high[i])) for name, (low, high) in ends.items()}
    finite = {name: pair for name, pair in pairs.items() if np.isfinite(pair[1])}
    return finite or None


def _share(shares: Floats | None, i: int) -> float | None:
    return float(shares[i]) if shares is not None and i < len(shares) else None
