"""GS609: penalties on the weights that outweigh the loss."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, Remedy, Role, RunRecord, Severity

AIM = 0.1
"""Penalty over loss at the start that the details ask for: the loss decides the first steps."""


@detector(
    "GS609",
    rank=17,
    causes=(
        "dead_units",
        "vanishing_signal",
        "vanishing_gradient",
        "exploding_gradient",
        "collapsed_representation",
        "frozen_layers",
        "unstable_updates",
        "optimizer_epsilon",
        "symmetric_units",
    ),
)
def dominant_penalty(
    record: RunRecord,
    *,
    threshold: float = 10.0,
    max_weight_ratio: float = 0.5,
    max_constant_ratio: float = 0.95,
) -> tuple[Finding, ...]:
    """Tell whether penalties (L1, L2) take weights or activations to zero before they have learned.

    What it measures:
        The penalties that layers add to the loss at the start, over the loss itself; and the rms of
        each kernel at the end over that at the start.
    Error when:
        The penalties are above `threshold` times the loss, the network has not learned, and the
        median of the kernels ends below `max_weight_ratio` of its start, or the whole loss below
        the penalties' start over `threshold`, as where the activations were taken to zero.
    Warning when:
        Never: a network that learns beside a large penalty has room for it.
    Not judged when:
        The record has no facts of the start, or layers add nothing.
    Thresholds:
        threshold = 10: the penalty over the loss at the start. Networks with a ratio of 4 (an L2
            factor of 0.1 on three layers) learn what they can.
        max_weight_ratio = 0.5: the rms of a kernel at the end over that at the start. A judgement:
            usual weight decay takes a few per cent in a training.
        max_constant_ratio = 0.95: the loss over that of a constant prediction below which the
            network has learned, as for `not_learning`; an accuracy above chance is learning too.
    Why it matters:
        The smallest sum has weights of zero: the answers are the same for all samples.
    What to do:
        A weaker regularizer. Usual L2 factors are 1e-5 to 1e-3.
    Source:
        Krogh and Hertz 1991; Goodfellow et al. 2016, section 7.1.1.
    """
    start = record.objective_start
    if start is None or start.values is None:
        raise NotMeasured("the record has no facts of the start")
    penalty, loss = start.values.penalty, abs(start.values.start)
    if not penalty > 0.0:
        raise NotMeasured("no layer adds a penalty to the loss")
    learned = loss_curve.learns(record, max_constant_ratio)
    shrunk = _shrunk(record)
    vanished = _vanished(record, penalty, threshold)
    if learned or not penalty > threshold * loss:
        return ()
    if not shrunk < max_weight_ratio and not vanished:
        return ()
    layers = [record.layers[i] for i in record.indices(Role.HIDDEN, Role.OUTPUT)]
    return (
        findings.finding(
            record,
            Severity.ERROR,
            (),
            observed=penalty / loss if loss else math.inf,
            threshold=threshold,
            message=(
                f"The penalties outweigh the loss: at the start they are "
                f"{penalty:.3g}, the loss is {loss:.3g}."
            ),
            cause=(
                f"They have taken the kernels to {shrunk:.2g} of their size."
                if shrunk < max_weight_ratio
                else "Training has taken them away, and the activations or weights with them."
            ),
            details=(
                f"Regularizers {AIM * loss / penalty:.1g} times as strong would start at a tenth "
                "of the loss."
            ),
            remedies=(Remedy(Action.WEAKEN_PENALTY),),
            evidence=findings.evidence(record, n=max(1, sum(x.parameters for x in layers))),
        ),
    )


def _vanished(record: RunRecord, penalty: float, threshold: float) -> bool:
    """Whether the whole loss began with the penalties and ended below a `threshold`-th of them."""
    loss = loss_curve.training_curve(record)
    return len(loss.loss) > 0 and loss.loss[0] > penalty / 2 and loss.last < penalty / threshold


def _shrunk(record: RunRecord) -> float:
    """The median over the kernels of their rms at the end over that at the start."""
    columns = list(record.indices(Role.HIDDEN, Role.OUTPUT))
    size = record.series["weight_second_moment"][:, columns]
    size = size[~np.all(np.isnan(size), axis=1)]
    if not len(size):
        return math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.sqrt(size[-1] / size[0])
    finite = ratios[np.isfinite(ratios)]
    return float(np.median(finite)) if finite.size else math.nan
