"""GS101: the error signal fades on its way back to the first layers."""

from __future__ import annotations

from gradscope.analyzer import ratio_findings
from gradscope.analyzer.curves import depth_profile, loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.wording import named, per_layer
from gradscope.record import Finding, RunRecord


@detector(
    "GS101", rank=50, follows=("symmetric_units", "dead_units", "cut_gradient", "vanishing_signal")
)
def vanishing_gradient(
    record: RunRecord, *, threshold: float = 1e-3, stuck: float = 1e-2
) -> tuple[Finding, ...]:
    """Tell whether the gradient fades before it reaches the first layers.

    Statistic: rms of delta = dL/dz at each hidden layer over the rms at the last hidden layer. It
    is a ratio, so rescaling the loss changes nothing, and it uses delta because the gradients of
    the kernels stay flat while signal and delta both vanish (Glorot & Bengio 2010, eq. 14, fig. 8).
    Compared are layers that every path from input to output passes, and sums of branches; a
    residual branch or an attention's query is none. A unit's delta is summed in quadrature over its
    pixels or time steps.

    Fires below `threshold` at any hidden layer: error when it holds in at least half of the last
    quarter of the recorded steps, warning when only at initialisation. Default 1e-3: with plain
    gradient descent the layer then learns a thousand times slower than the last one. AUTOTRAINER
    (Zhang et al. 2021) draws the same line for its first-to-last ratio. At every single step of the
    shipped healthy configs the ratio stays above 0.1 (tests/test_shipped_configs.py);
    docs/calibration.md has what was measured over a corpus.

    In a network that learns nothing (after 50 recorded steps or more, whose updates add up to a
    twentieth of a layer's weights, its loss is not below 0.9 of a constant answer's (of the first
    where none is known) nor its accuracy above chance) the limit is `stuck`, default 1e-2: less is
    then enough to be the likeliest reason.
    """
    profile = depth_profile.of(record)
    threshold = stuck if loss_curve.stuck(record) else threshold
    found = ratio_findings.over_depth(record, profile.delta_relative, threshold, below=True)
    if found is None:
        return ()
    where = named([profile.names[i] for i in found.layers], found.layers)
    # A layer that gets nothing at all is cut off, not the end of a steady decay.
    rate = per_layer(found.rate**-1, " going back") if found.extreme > 0 else ""
    message = (
        f"The gradient vanishes: from {profile.names[-1]} back to {profile.names[0]} the rms of "
        f"delta falls to {found.extreme:.2g} of its size{rate}, {found.spell.words}; {where} get "
        f"less than 1/{1 / threshold:.0f} of it."
    )
    return (ratio_findings.finding_over_depth(record, profile, found, "delta", message),)
