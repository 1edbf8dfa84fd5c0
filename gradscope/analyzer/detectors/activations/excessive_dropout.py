"""GS206: dropout that leaves less than one unit of a layer."""

from __future__ import annotations

import math

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Finding, LayerInfo, Role, RunRecord, Severity
from gradscope.record.remedies import change_settings

USUAL_RATE = 0.5
"""The rate that is put in its place: Srivastava et al. 2014, section A.4, for hidden units."""


@detector(
    "GS206",
    rank=18,
    causes=("dead_units", "collapsed_representation", "vanishing_gradient", "oscillating_loss"),
)
def excessive_dropout(
    record: RunRecord, *, min_kept_units: float = 1.0, max_constant_ratio: float = 0.5
) -> tuple[Finding, ...]:
    """Tell whether dropout leaves so few units of a layer that its noise outweighs its signal.

    What it measures:
        The units that a dropout keeps of one sample on average: (1 - rate) times the units, of a
        convolution times its positions. The noise that it adds has rate / ((1 - rate) n) of the
        square of a sum over n units, which is 1 where about one unit is kept.
    Error when:
        Fewer than `min_kept_units` are kept, and the network is not good: its loss did not come
        below `max_constant_ratio` of a constant prediction's, nor the accuracy in training half of
        the way from chance to all right.
    Warning when:
        Fewer are kept and the network learns all the same.
    Not judged when:
        No layer has a dropout behind it.
    Thresholds:
        min_kept_units = 1: the units kept on average. With 32 units and a rate of 0.98, which keeps
            0.64, half of all samples pass nothing.
        max_constant_ratio = 0.5: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network is good.
    Why it matters:
        What the next layer is fed is mostly noise, and the gradient with it.
    What to do:
        Lower the rate: 0.5 is usual for hidden units, 0.2 for inputs.
    Source:
        Srivastava et al. 2014.
    """
    dropped = [layer for layer in record.layers if layer.role == Role.HIDDEN and layer.dropout > 0]
    if not dropped:
        raise NotMeasured("no hidden layer has a dropout behind it")
    few = [layer for layer in dropped if _kept(layer) < min_kept_units]
    if not few:
        return ()
    worst = min(few, key=_kept)
    names = layer_names([layer.name for layer in few], [layer.index for layer in few])
    learns = loss_curve.learns_well(record, max_constant_ratio)
    kept = _kept(worst)
    return (
        findings.finding(
            record,
            Severity.WARNING if learns else Severity.ERROR,
            few,
            observed=kept,
            threshold=min_kept_units,
            message=(
                f"Dropout leaves {kept:.2g} units on average in {names}: its rate is "
                f"{worst.dropout:g}."
            ),
            details=(
                f"For {_nothing_passes(worst):.0%} of the samples none of the {_values(worst)} "
                f"units of {worst.name} passes."
            ),
            remedies=(change_settings(("model.dropout", USUAL_RATE)),),
            evidence=findings.evidence(record, n=_values(worst), phase="config"),
        ),
    )


def _values(layer: LayerInfo) -> int:
    return int(layer.units or 1) * layer.positions


def _kept(layer: LayerInfo) -> float:
    return (1.0 - layer.dropout) * _values(layer) if layer.units else math.inf


def _nothing_passes(layer: LayerInfo) -> float:
    """The probability that every unit is dropped."""
    return float(layer.dropout ** _values(layer))
