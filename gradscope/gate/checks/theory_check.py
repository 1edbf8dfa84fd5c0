"""Without a baseline: does the network start as theory predicts from its config?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradscope.gate import difference_text
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Check, CheckKind, Difference, Status
from gradscope.gate.comparing.unpaired import BUDGET, NEGLIGIBLE
from gradscope.message_text import counted
from gradscope.record import Action, Remedy, Role
from gradscope.record.run_record import Floats
from gradscope.theory.prediction import Band, Prediction, Source, widened


@dataclass(frozen=True)
class _Judged:
    """Figures [seed, layer], theory's band, and the number of layers before each figure."""

    quantity: str
    values: Floats
    band: Band | None
    passed: Sequence[int]

    @property
    def count(self) -> int:
        """How many layers have a band."""
        return int(np.count_nonzero(self.band.deviation > 0)) if self.band is not None else 0


def check(statistics: SeedStatistics, prediction: Prediction | None) -> Check:
    """Compare the means over the seeds at initialisation with theory's bands.

    A layer departs when the geometric mean over K seeds leaves theory's band for such a mean by
    more than `NEGLIGIBLE` per layer that the signal (or delta) has passed: theory is of first
    order in 1 / width, and its error adds up over depth.
    """
    reason = _outside(prediction)
    if prediction is None or reason:
        return Check(
            CheckKind.THEORY, Status.SKIPPED, reason or "no prediction: there is no hidden layer"
        )
    index = {layer.name: layer.index for layer in statistics.layers}
    columns = [index[name] for name in prediction.names]
    hidden = [i for i in columns if statistics.layers[i].role == Role.HIDDEN]
    signal = statistics.initial["signal"][:, columns]
    delta = statistics.initial["delta"][:, columns] - statistics.initial["delta"][:, [hidden[-1]]]
    judged = [_Judged("signal", signal, prediction.preactivation_band, range(1, len(columns) + 1))]
    above = [max(0, len(hidden) - position) for position in range(1, len(columns) + 1)]
    judged.append(_Judged("delta", delta, prediction.delta_band, above))
    comparisons = sum(item.count for item in judged)
    differences = [
        difference
        for item in judged
        for difference in _departures(item, prediction.names, comparisons)
    ]
    seeds = len(statistics.seeds)
    evidence = f"{counted(seeds, 'seed')} at initialisation, {BUDGET:.2%} false alarms allowed"
    drawn = prediction.source is Source.DRAWS
    says = "what its initializers draw" if drawn else "what theory says of this config"
    if drawn and prediction.preactivation_band is not None:
        evidence += f", band of {prediction.preactivation_band.draws} draws"
    if differences:
        first = differences[0]
        return Check(
            CheckKind.THEORY,
            Status.FAILED,
            f"{first.layer} is the first layer that is not {says}: "
            f"{first.quantity} {first.effect} of the prediction",
            evidence,
            layers=tuple(difference.layer for difference in differences),
            differences=tuple(differences),
            remedies=(Remedy(Action.SHOW_THEORY),),
        )
    return Check(CheckKind.THEORY, Status.PASSED, f"every layer is {says}", evidence)


def _outside(prediction: Prediction | None) -> str:
    if prediction is None:
        return ""
    if prediction.outside or prediction.preactivation_band is None:
        return f"outside theory: {prediction.outside or prediction.no_band}"
    return ""


def _departures(judged: _Judged, names: tuple[str, ...], comparisons: int) -> list[Difference]:
    """The layers whose mean over the seeds is outside its band, in the order of the flow."""
    band, seeds = judged.band, len(judged.values)
    if band is None:
        return []
    low, high = band.limits(seeds=seeds, level=1.0 - BUDGET, comparisons=comparisons)
    differences = []
    order = range(len(names))
    for i in order if judged.quantity == "signal" else reversed(order):
        mean = float(judged.values[:, i].mean())
        if not math.isfinite(mean) or not band.deviation[i] > 0:
            continue
        centre, margin = float(band.centre[i]), NEGLIGIBLE * judged.passed[i]
        bottom, top = math.log(low[i]), math.log(high[i])
        ends = bottom - margin, top + margin
        if band.draws:
            wide = widened(bottom, centre, top)
            ends = min(ends[0], wide[0]), max(ends[1], wide[1])
        if ends[0] <= mean <= ends[1]:
            continue
        differences.append(
            Difference(
                quantity=judged.quantity,
                layer=names[i],
                before=difference_text.rms(centre),
                after=difference_text.rms(mean),
                effect=difference_text.factor(mean - centre),
                interval=difference_text.interval(
                    mean - ends[1], mean - ends[0], difference_text.factor
                ),
            )
        )
    return differences
