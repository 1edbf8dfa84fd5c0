"""GS613: answers to a sequence that depend on one of its positions."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.gradient_cut import without_call
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, PositionUse, Remedy, RunRecord, Severity


@detector(
    "GS613",
    rank=-4,
    causes=(
        "cut_gradient",
        "frozen_layers",
        "collapsed_representation",
        "vanishing_gradient",
        "vanishing_signal",
        "vanishing_through_time",
        "optimizer_epsilon",
    ),
)
def unread_positions(record: RunRecord, *, min_positions: float = 2) -> tuple[Finding, ...]:
    """Tell whether the answer to a sequence depends on more than one of its positions.

    What it measures:
        The positions of the inputs whose content, exchanged between samples, changes the answers of
        the trained network in inference mode, by any bit. The figure is the length of a stretch
        with all of them, halved as long as one half has none; 0 where it has only positions at
        which all samples are the same.
    Error when:
        The stretch is shorter than `min_positions`, and a layer of the network computes each
        position from several: attention, a recurrence or a convolution along the sequence.
    Warning when:
        The same holds, and the loss gets half of the way from a constant answer's to that of right
        answers: that position may be all that is needed.
    Not judged when:
        The inputs are no sequences of one length, samples differ at fewer than three positions, or
        each position has an answer of its own. A network without such a layer may read one position
        on purpose, as the last value of a series.
    Thresholds:
        min_positions = 2: the positions. Of two, one can be compared with the other.
    Why it matters:
        Under a causal mask the first position sees itself alone, and so does a recurrence's first
        output. No training makes the rest of the sequence count.
    What to do:
        Read the position that sees all others: the last under a causal mask or of a recurrence. Or
        take the mean over the positions. Or leave the mask out.
    Source:
        Vaswani et al. 2017, section 3.2.3: masking keeps position i from positions after i.
    """
    start = record.objective_start
    use = start.positions if start is not None else None
    if use is None:
        raise NotMeasured("the inputs are no sequences of one length, as far as the record says")
    length = use.end - use.first
    if length >= min_positions or not use.joining:
        return ()
    well = loss_curve.learns_well(record)
    return (
        findings.finding(
            record,
            Severity.WARNING if well else Severity.ERROR,
            [layer for layer in record.layers if _belongs(layer.name, use.joining)],
            observed=length,
            threshold=min_positions,
            message=_message(use),
            cause=_cause(use),
            details="The content of the others was exchanged between samples: no answer changed.",
            remedies=(Remedy(Action.READ_ALL_POSITIONS),),
            evidence=findings.evidence(
                record, n=record.batch_size, phase="inference", steps=(int(record.steps[-1]),)
            ),
        ),
    )


def _belongs(name: str, joining: tuple[str, ...]) -> bool:
    """Whether the layer is one of these, or a part of one."""
    return any(without_call(part) in joining for part in name.split("/"))


def _message(use: PositionUse) -> str:
    if use.end == use.first:
        return "The answers depend on positions alone at which all samples are the same."
    if use.end - use.first > 1:
        where = f"positions {use.first} to {use.end - 1}"
    else:
        named = {0: "the first", use.positions - 1: "the last"}
        where = named.get(use.first, f"position {use.first}")
    return f"The answers depend on {where} of {use.positions} positions alone."


def _cause(use: PositionUse) -> str:
    return f"What {use.joining[-1]} computes of the other positions does not reach them."
