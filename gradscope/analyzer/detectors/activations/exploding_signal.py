"""GS202: the signal grows on its way to the last layers."""

from __future__ import annotations

from gradscope.analyzer import departures
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import rate_text, short_number
from gradscope.record import Finding, RunRecord


@detector("GS202", rank=12)
def exploding_signal(
    record: RunRecord, *, threshold: float = 1e3, threshold_if_not_learning: float = 1e2
) -> tuple[Finding, ...]:
    """Tell whether the signal grows on its way through the network.

    What it measures:
        The rms of the pre-activation z at each hidden layer over the rms at the first hidden layer,
        or at the last normalization before it that everything passes (pooled second moment).
    Error when:
        The ratio is above the threshold at any layer, in at least half of the last quarter of the
        recorded steps.
    Warning when:
        It is above the threshold at initialisation only.
    Not judged when:
        Fewer than two hidden layers are on the main path, or no step has a finite figure.
    Thresholds:
        threshold = 1e3: the ratio, the mirror of `vanishing_signal`.
        threshold_if_not_learning = 1e2: the ratio in a network that learns nothing: after 50
            recorded steps or more, whose updates add up to a twentieth of a layer's weights, its
            loss is not below 0.9 of a constant prediction's (of the first loss where none is known)
            and its accuracy is not above chance. A smaller departure is then the likeliest reason.
    Why it matters:
        The output saturates or overflows, and the gradient of the last layers is as large.
    What to do:
        Use the initializer that belongs to the activation; its weights keep the size of the signal.
        If training brought it about, lower the learning rate.
    Source:
        Glorot & Bengio 2010; He et al. 2015.
    """
    profile = depth_profile(record)
    limit = threshold_if_not_learning if loss_curve.stuck(record) else threshold
    departure = departures.find_over_depth(record, profile.signal_comparable, limit, below=False)
    if departure is None:
        return ()
    first = profile.names[departure.layers[0]]
    start = profile.signal_starts[departure.extreme_layer]
    furthest = profile.names[departure.extreme_layer]
    message = (
        f"The signal explodes: {furthest} gets {short_number(departure.extreme)} times the signal "
        f"in {start}."
    )
    details = (
        f"From {start} to {profile.names[-1]} the rms of z grows{rate_text(departure.rate)}, "
        f"{departure.occurrence.text}; {first} is the first layer above {limit:.0f} times it."
    )
    return (
        departures.finding_over_depth(
            record, profile, departure, "signal", message=message, details=details
        ),
    )
