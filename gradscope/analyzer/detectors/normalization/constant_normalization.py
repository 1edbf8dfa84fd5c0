"""GS306: a normalization over a single value."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity


# It cuts what lies before it: the layers without a gradient are its consequence.
@detector(
    "GS306",
    rank=4,
    causes=(
        "cut_gradient",
        "dead_units",
        "vanishing_gradient",
        "vanishing_signal",
        "collapsed_representation",
        "symmetric_units",
    ),
)
def constant_normalization(record: RunRecord, *, min_values: float = 2) -> tuple[Finding, ...]:
    """Tell whether a normalization within the sample has more than one value to normalize.

    What it measures:
        The values over which a layer normalization or a group normalization takes its mean, by the
        shape of its input, its axes and its groups.
    Error when:
        There are fewer than `min_values`.
    Not judged when:
        No layer normalizes within the sample, or the shapes are not known.
    Thresholds:
        min_values = 2: a single value minus its own mean is 0, whatever it was.
    Why it matters:
        The output of the layer does not depend on its input: what stands before it gets no gradient
        through it, and what stands behind it sees a constant. Where a shortcut goes around it, the
        block does nothing.
    What to do:
        Normalize over an axis of several values (`axis=`), or use fewer groups, or no such layer.
    Source:
        Ba et al. 2016, eq. 3, with H = 1; Wu & He 2018, eq. 7, with one value in a group.
    """
    norms = [layer for layer in record.layers if layer.normalized_values is not None]
    if not norms:
        raise NotMeasured("no layer normalizes within the sample")
    positions = [i for i, x in enumerate(norms) if int(x.normalized_values or 0) < min_values]
    if not positions:
        return ()
    sick = [norms[i] for i in positions]
    names = tuple(layer.name for layer in sick)
    where, verb = layer_names(names, positions), "normalizes" if len(sick) == 1 else "normalize"
    its = "its output does" if len(sick) == 1 else "their outputs do"
    return (
        findings.finding(
            record,
            Severity.ERROR,
            sick,
            observed=min(int(layer.normalized_values or 0) for layer in sick),
            threshold=min_values,
            message=f"{where} {verb} over 1 value: {its} not depend on the input.",
            details="A single value minus its own mean is 0, and no gradient passes back.",
            remedies=(Remedy(Action.NORMALIZE_OTHER_AXIS, layers=names),),
            evidence=findings.evidence(record, n=len(sick), phase="graph"),
        ),
    )
