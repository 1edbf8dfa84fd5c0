"""GS101: the error signal fades on its way back to the first layers."""

from __future__ import annotations

from gradscope.analyzer import departures
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names, rate_text
from gradscope.record import Finding, RunRecord


@detector("GS101", rank=50, follows=("dead_units", "cut_gradient", "vanishing_signal"))
def vanishing_gradient(
    record: RunRecord, *, threshold: float = 1e-3, threshold_if_not_learning: float = 2e-2
) -> tuple[Finding, ...]:
    """Tell whether the gradient fades before it reaches the first layers.

    What it measures:
        The rms of delta = dL/dz at each hidden layer over the rms at the last hidden layer. It is a
        ratio, so the scale of the loss does not matter. It uses delta because the gradients of the
        kernels stay flat while signal and delta both vanish. Compared are the layers that every
        path from input to output passes, and sums of branches; a residual branch or the query of an
        attention is not compared. The delta of a unit is summed in quadrature over its pixels or
        time steps.
    Error when:
        The ratio is below the threshold at any layer, in at least half of the last quarter of the
        recorded steps.
    Warning when:
        It is below the threshold at initialisation only.
    Not judged when:
        Fewer than two hidden layers are on the main path, or no step has a finite figure.
    Thresholds:
        threshold = 1e-3: the ratio. With plain gradient descent the layer then learns a thousand
            times slower than the last one. AUTOTRAINER draws the same line for its first-to-last
            ratio. At every single step of the shipped healthy configs the ratio stays above 0.1
            (tests/test_shipped_configs.py); docs/calibration.md has the rates over a corpus.
        threshold_if_not_learning = 2e-2: the ratio in a network that learns nothing (three
            sigmoids pass back 1/64 at most, and LeNet-5 with sigmoids 1/80): after 50
            recorded steps or more, whose updates add up to a twentieth of a layer's weights, its
            loss is not below 0.9 of a constant prediction's (of the first loss where none is known)
            and its accuracy is not above chance. A smaller departure is then the likeliest reason.
    Why it matters:
        The first layers hardly learn, and the layers behind them work on features that stay random.
    What to do:
        Use the initializer that belongs to the activation, or an activation whose derivative does
        not stay below 1. Normalization layers and skip connections help in deep networks.
    Source:
        Glorot & Bengio 2010, eq. 14 and fig. 8; Zhang et al. 2021 (AUTOTRAINER).
    """
    profile = depth_profile(record)
    limit = threshold_if_not_learning if loss_curve.stuck(record) else threshold
    departure = departures.find_over_depth(record, profile.gradient_relative, limit, below=True)
    if departure is None:
        return ()
    where = layer_names([profile.names[i] for i in departure.layers], departure.layers)
    # A layer that gets nothing at all is cut off, not the end of a steady decay.
    rate = rate_text(departure.rate**-1, " going back") if departure.extreme > 0 else ""
    last, furthest = profile.names[-1], profile.names[departure.extreme_layer]
    share = f"{departure.extreme:.2g} of what" if departure.extreme > 0 else "nothing of what"
    message = f"The gradient vanishes: {furthest} gets {share} reaches {last}."
    details = (
        f"From {last} back to {profile.names[0]} {profile.quantity} falls{rate}, "
        f"{departure.occurrence.text}; {where} get less than 1/{1 / limit:.0f} of it."
    )
    return (
        departures.finding_over_depth(
            record, profile, departure, "delta", message=message, details=details
        ),
    )
