"""GS102: the error signal grows on its way back to the first layers."""

from __future__ import annotations

from gradscope.analyzer import ratio_findings
from gradscope.analyzer.curves import depth_profile, loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.wording import named, per_layer
from gradscope.record import Finding, RunRecord


@detector("GS102", rank=45, follows=("exploding_signal", "batch_norm_explosion"))
def exploding_gradient(
    record: RunRecord, *, threshold: float = 1e3, stuck: float = 1e2
) -> tuple[Finding, ...]:
    """Tell whether the gradient grows on its way back to the first layers.

    Statistic: rms of delta = dL/dz at each hidden layer over the rms at the last hidden layer. A
    growth factor sees the explosion before anything overflows; the size of the gradients alone
    would also change with the scale of the loss.

    Fires above `threshold` at any hidden layer: error when it holds in at least half of the last
    quarter of the recorded steps, warning when only at initialisation. Default 1e3, the mirror of
    `vanishing_gradient`. The shipped healthy configs stay below 200 at every single step, only the
    100-layer SELU network above 10 (tests/test_shipped_configs.py); docs/calibration.md has what
    was measured over a corpus.

    In a network that learns nothing (after 50 recorded steps or more, whose updates add up to a
    twentieth of a layer's weights, its loss is not below 0.9 of a constant answer's (of the first
    where none is known) nor its accuracy above chance) the limit is `stuck`, default 1e2: less is
    then enough to be the likeliest reason.
    """
    profile = depth_profile.of(record)
    threshold = stuck if loss_curve.stuck(record) else threshold
    found = ratio_findings.over_depth(record, profile.delta_relative, threshold, below=False)
    if found is None:
        return ()
    where = named([profile.names[i] for i in found.layers], found.layers)
    message = (
        f"The gradient explodes: from {profile.names[-1]} back to {profile.names[0]} the rms of "
        f"delta grows to {found.extreme:.2g} times its size"
        f"{per_layer(found.rate**-1, ' going back')}, {found.spell.words}; {where} get more than "
        f"{threshold:.0f} times as much."
    )
    return (ratio_findings.finding_over_depth(record, profile, found, "delta", message),)
