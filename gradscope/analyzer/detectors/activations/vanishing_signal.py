"""GS201: the signal fades on its way to the last layers."""

from __future__ import annotations

from gradscope.analyzer import ratio_findings
from gradscope.analyzer.curves import depth_profile, loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.wording import per_layer
from gradscope.record import Finding, RunRecord


@detector("GS201", rank=15, follows=("symmetric_units", "dead_units"))
def vanishing_signal(
    record: RunRecord, *, threshold: float = 1e-3, stuck: float = 1e-2
) -> tuple[Finding, ...]:
    """Tell whether the signal fades on its way through the network.

    Statistic: rms of the pre-activation z at each hidden layer over the rms at the first hidden
    layer. The pooled second moment is used because the variance over the batch goes to zero in
    healthy deep ReLU networks, whose samples become similar.

    Fires below `threshold` at any hidden layer: error when it holds in at least half of the last
    quarter of the recorded steps, warning when only at initialisation. Default 1e-3, as for the
    gradient: by then the biases, not the input, decide what the last layers see.

    In a network that learns nothing (after 50 recorded steps or more, whose updates add up to a
    twentieth of a layer's weights, its loss is not below 0.9 of a constant answer's (of the first
    where none is known) nor its accuracy above chance) the limit is `stuck`, default 1e-2: less is
    then enough to be the likeliest reason.
    """
    profile = depth_profile.of(record)
    threshold = stuck if loss_curve.stuck(record) else threshold
    found = ratio_findings.over_depth(record, profile.signal_relative, threshold, below=True)
    if found is None:
        return ()
    first = profile.names[found.layers[0]]
    rate = per_layer(found.rate) if found.extreme > 0 else ""
    message = (
        f"The signal vanishes: from {profile.names[0]} to {profile.names[-1]} the rms of z falls "
        f"to {found.extreme:.2g} of its size{rate}, {found.spell.words}; "
        f"{first} is the first layer below {threshold:.0e} of it."
    )
    return (ratio_findings.finding_over_depth(record, profile, found, "signal", message),)
