"""What theory expects of a record's network at initialisation, and of the same network changed."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gradscope.analyzer.curves.depth_profile import rate_per_layer
from gradscope.analyzer.network import is_user_model
from gradscope.analyzer.theory import drawn_expectation
from gradscope.record import LayerInfo, Role, RunRecord
from gradscope.record.fault import Fault
from gradscope.record.run_record import Floats
from gradscope.theory.depth_recursion import outside_theory, predict
from gradscope.theory.prediction import Prediction, Source

NARROWEST_DEVIATION = 1e-3
"""Bands of a smaller deviation are not compared with a measurement: the rounding of half precision
would leave them. Orthogonal weights, which keep norms, and delta at its own reference have such."""


@dataclass(frozen=True)
class Standing:
    """A record's layers at step 0 beside theory's 99 % band, all layers taken together.

    `quantity` is ``signal`` (rms of z) or ``delta`` (rms of delta over `reference`'s, the last
    hidden layer). The other fields have one value per layer that has a band and a finite figure, in
    depth order; `layers` are indices into the record's layers. `source` is where the band is from.
    """

    quantity: str
    reference: str
    layers: tuple[int, ...]
    names: tuple[str, ...]
    measured: Floats
    low: Floats
    high: Floats
    source: Source = Source.THEORY

    @property
    def outside(self) -> tuple[int, ...]:
        """Positions of the layers outside their band, in the order in which the quantity flows."""
        out = np.flatnonzero((self.measured < self.low) | (self.measured > self.high))
        return tuple(int(i) for i in (out[::-1] if self.quantity == "delta" else out))

    @property
    def first_outside(self) -> str:
        """A sentence on the first layer outside its band, going back for delta; "" if none is."""
        if not self.outside:
            return ""
        at = self.outside[0]
        figures = (
            f"measured {self.measured[at]:.3g}, {self.source} {self.low[at]:.3g} to "
            f"{self.high[at]:.3g}"
        )
        band = "theory's band" if self.source is Source.THEORY else "the band of the draws"
        if self.quantity == "signal":
            return (
                f"The first layer outside {band} is {self.names[at]} "
                f"(rms of z at step 0: {figures})."
            )
        through = self.names[at + 1] if at + 1 < len(self.names) else self.reference
        return (
            f"Going back, the first layer outside {band} is {self.names[at]} (rms of delta "
            f"over {self.reference}'s at step 0: {figures}); it comes through {through}."
        )


def expected(record: RunRecord, layers: Sequence[LayerInfo] | None = None) -> Prediction:
    """Predict the record's layers, or `layers` in their place, on its data and batch size.

    Without a band where the record does not say how its samples differ, which decides how wide a
    band is.
    """
    arguments = {
        "layers": tuple(layers or record.layers),
        "input_second_moment": input_second_moment(record),
        "batch_norm_epsilon": float(record.config["model"]["batch_norm"]["epsilon"]),
        "batch_size": record.batch_size,
        "geometry": record.data.geometry,
    }
    try:
        prediction = _predicted(pickle.dumps(arguments))
    except Exception as error:  # theory is a side line of the report
        fault = Fault.from_exception("theory", error)
        names = tuple(layer.name for layer in layers or record.layers if layer.weighted)
        return replace(outside_theory(names, fault.crashed), fault=fault)
    if prediction.outside and _whole_numbers(record):
        return replace(prediction, outside="the inputs are whole numbers")
    if record.data.geometry is not None or prediction.preactivation_band is None:
        return prediction
    unknown = "how the samples of this data differ was not recorded"
    if is_user_model(record):
        unknown = "of your own models, known of a Sequential one of Dense layers, freshly drawn"
    return replace(
        prediction, preactivation_band=None, activation_band=None, delta_band=None, no_band=unknown
    )


def expected_at_start(record: RunRecord) -> Prediction:
    """What the record's layers should show at initialisation: by theory, or by draws.

    Theory's own prediction where it has a band, or where the weights were not drawn again.
    """
    prediction = expected(record)
    if not prediction.outside and prediction.preactivation_band is not None:
        return prediction
    return drawn_expectation.drawn_prediction(record) or prediction


def _whole_numbers(record: RunRecord) -> bool:
    """Whether no input is real: the moments are then those of no array."""
    return math.isnan(record.data.second_moment) and math.isfinite(record.data.minimum)


@lru_cache(maxsize=64)
def _predicted(arguments: bytes) -> Prediction:
    """Predict once for several detectors; layers hold mappings, so bytes are the key."""
    return predict(**pickle.loads(arguments))


def limits(prediction: Prediction) -> dict[str, tuple[Floats, Floats]]:
    """The ends of theory's bands by quantity (see `Standing`), in rms, one value per name.

    99 % of initialisations lie inside with all their layers and both quantities (Bonferroni; the
    shares that were counted are in benchmarks/results/theory_coverage.md). NaN where a layer has no
    band.
    """
    bands = {"signal": prediction.preactivation_band, "delta": prediction.delta_band}
    usable = {
        quantity: (band, np.nan_to_num(band.deviation) >= NARROWEST_DEVIATION)
        for quantity, band in bands.items()
        if band is not None
    }
    comparisons = sum(int(np.count_nonzero(counted)) for _, counted in usable.values())
    ends_by_quantity = {}
    for quantity, (band, counted) in usable.items():
        if counted.any():
            ends = band.limits(comparisons=comparisons)
            low, high = (np.where(counted, np.sqrt(end), np.nan) for end in ends)
            ends_by_quantity[quantity] = (low, high)
    return ends_by_quantity


def standings(record: RunRecord, prediction: Prediction) -> tuple[Standing, ...]:
    """Compare the record's step 0 with `prediction`, signal first; () without step 0 or a band."""
    if prediction.outside or not len(record.steps) or record.steps[0] != 0:
        return ()
    index = {layer.name: layer.index for layer in record.layers}
    columns = [index[name] for name in prediction.names]
    hidden = [i for i in columns if record.layers[i].role == Role.HIDDEN]
    answer = []
    for quantity, (low, high) in limits(prediction).items():
        measured = _at_start(record, quantity, columns, hidden[-1])
        judged = np.flatnonzero(np.isfinite(measured) & np.isfinite(high))
        answer.append(
            Standing(
                quantity=quantity,
                reference=record.layers[hidden[-1]].name,
                layers=tuple(columns[i] for i in judged),
                names=tuple(prediction.names[i] for i in judged),
                measured=measured[judged],
                low=low[judged],
                high=high[judged],
                source=prediction.source,
            )
        )
    return tuple(standing for standing in answer if standing.layers)


def _at_start(record: RunRecord, quantity: str, columns: list[int], last: int) -> Floats:
    """The rms that theory's band is about, at the first recorded step."""
    name = "preactivation_second_moment" if quantity == "signal" else "delta_second_moment"
    row = record.series[name][0]
    scale = row[last] if quantity == "delta" else 1.0
    with np.errstate(all="ignore"):
        measured: Floats = np.sqrt(row[columns] / scale)
    return measured


def input_second_moment(record: RunRecord) -> float:
    """E x^2 of what the first layer with weights is fed."""
    return 1.0 if first_normalized(record) else record.data.second_moment


def first_normalized(record: RunRecord) -> bool:
    """Whether a normalization stands before the first layer with weights."""
    first = min(record.indices(Role.HIDDEN, Role.OUTPUT), default=0)
    return any(layer.role == Role.NORMALIZATION and layer.index < first for layer in record.layers)


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


def first_beyond(
    prediction: Prediction, quantity: str, threshold: float, *, below: bool
) -> tuple[str, float] | None:
    """The first hidden layer that theory expects beyond `threshold`, and its figure; None if none.

    The figure is the rms over the first hidden layer's for ``signal``, over the last one's for
    ``delta``, which is followed going back.
    """
    if quantity == "signal":
        rms = _hidden_rms(prediction.preactivation_second_moment)
        figures = list(zip(prediction.names, rms / rms[0], strict=False))
    else:
        delta = _hidden_rms(prediction.delta_relative)
        figures = list(zip(prediction.names, delta, strict=False))[::-1]
    crossed = (
        (name, float(figure))
        for name, figure in figures
        if (figure < threshold if below else figure > threshold)
    )
    return next(crossed, None)


def _hidden_rms(second_moments: Floats) -> Floats:
    roots: Floats = np.sqrt(second_moments[:-1])
    return roots
