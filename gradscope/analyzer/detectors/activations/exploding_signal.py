"""GS202: the signal grows on its way to the last layers."""

from __future__ import annotations

from gradscope.analyzer import ratio_findings
from gradscope.analyzer.curves import depth_profile, loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.wording import per_layer
from gradscope.record import Finding, RunRecord


@detector("GS202", rank=10, follows=("unscaled_input",))
def exploding_signal(
    record: RunRecord, *, threshold: float = 1e3, stuck: float = 1e2
) -> tuple[Finding, ...]:
    """Tell whether the signal grows on its way through the network.

    Statistic: rms of the pre-activation z at each hidden layer over the rms at the first hidden
    layer (pooled second moment).

    Fires above `threshold` at any hidden layer: error when it holds in at least half of the last
    quarter of the recorded steps, warning when only at initialisation. Default 1e3, the mirror of
    `vanishing_signal`.

    In a network that learns nothing (after 50 recorded steps or more, whose updates add up to a
    twentieth of a layer's weights, its loss is not below 0.9 of a constant answer's (of the first
    where none is known) nor its accuracy above chance) the limit is `stuck`, default 1e2: less is
    then enough to be the likeliest reason.
    """
    profile = depth_profile.of(record)
    threshold = stuck if loss_curve.stuck(record) else threshold
    found = ratio_findings.over_depth(record, profile.signal_relative, threshold, below=False)
    if found is None:
        return ()
    first = profile.names[found.layers[0]]
    message = (
        f"The signal explodes: from {profile.names[0]} to {profile.names[-1]} the rms of z grows "
        f"to {found.extreme:.2g} times its size{per_layer(found.rate)}, "
        f"{found.spell.words}; {first} is the first layer above {threshold:.0f} times it."
    )
    return (ratio_findings.finding_over_depth(record, profile, found, "signal", message),)
