"""What theory expects of a record's network at initialisation, and of the same network changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradscope.analyzer.depth_profile import rate_per_layer
from gradscope.record import LayerInfo, RunRecord
from gradscope.record.run_record import Floats
from gradscope.theory.depth_recursion import predict
from gradscope.theory.prediction import Prediction


def expected(record: RunRecord, layers: Sequence[LayerInfo] | None = None) -> Prediction:
    """Predict the record's layers, or `layers` in their place, on its data and batch size."""
    return predict(
        layers or record.layers,
        input_second_moment=fed(record),
        batch_norm_epsilon=float(record.config["model"]["batch_norm"]["epsilon"]),
        batch_size=record.batch_size,
        geometry=record.data.geometry,
    )


def fed(record: RunRecord) -> float:
    """E x^2 of what the first layer with weights is fed."""
    return 1.0 if first_normalized(record) else record.data.second_moment


def first_normalized(record: RunRecord) -> bool:
    """Whether a normalization stands before the first layer with weights."""
    first = min(record.indices("hidden", "output"), default=0)
    return any(layer.role == "normalization" and layer.index < first for layer in record.layers)


def gradient_rate(prediction: Prediction) -> float:
    """Expected factor on delta's rms per hidden layer, going back; NaN outside theory."""
    return rate_per_layer(_hidden_rms(prediction.delta_relative)) ** -1


def signal_rate(prediction: Prediction) -> float:
    """Expected factor on z's rms per hidden layer; NaN outside theory."""
    return rate_per_layer(_hidden_rms(prediction.preactivation_second_moment))


def end_to_end(prediction: Prediction) -> tuple[float, float]:
    """Expected rms of z, last hidden layer over first, and of delta, first over last."""
    signal = _hidden_rms(prediction.preactivation_second_moment)
    delta = _hidden_rms(prediction.delta_relative)
    return float(signal[-1] / signal[0]), float(delta[0] / delta[-1])


def _hidden_rms(second_moments: Floats) -> Floats:
    roots: Floats = np.sqrt(second_moments[:-1])
    return roots
