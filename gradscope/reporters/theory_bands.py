"""The ends of a prediction's bands, for every form of a forecast."""

from __future__ import annotations

from gradscope.record.run_record import Floats
from gradscope.theory.prediction import Band, Prediction


def limits(prediction: Prediction, seeds: int) -> dict[str, tuple[Floats, Floats]]:
    """Low and high ends per figure that has a band, for the mean over `seeds` seeds."""
    bands: dict[str, Band | None] = {
        "preactivation_second_moment": prediction.preactivation_band,
        "activation_second_moment": prediction.activation_band,
        "delta_relative": prediction.delta_band,
    }
    return {name: band.limits(seeds=seeds) for name, band in bands.items() if band is not None}
