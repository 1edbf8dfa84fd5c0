"""GS201: the signal fades on its way to the last layers."""

from __future__ import annotations

from gradscope.analyzer import departures
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import rate_text
from gradscope.record import Finding, RunRecord


@detector("GS201", rank=15, follows=("dead_units",))
def vanishing_signal(
    record: RunRecord, *, threshold: float = 1e-3, threshold_if_not_learning: float = 1e-2
) -> tuple[Finding, ...]:
    """Tell whether the signal fades on its way through the network.

    What it measures:
        The rms of the pre-activation z at each hidden layer over the rms at the first hidden layer,
        or at the last normalization before it that everything passes. The pooled second moment is
        used because the variance over the batch goes to zero in healthy deep ReLU networks, whose
        samples become similar.
    Error when:
        The ratio is below the threshold at any layer, in at least half of the last quarter of the
        recorded steps.
    Warning when:
        It is below the threshold at initialisation only.
    Not judged when:
        Fewer than two hidden layers are on the main path, or no step has a finite figure.
    Thresholds:
        threshold = 1e-3: the ratio, as for the gradient. The biases, not the input, then decide
            what the last layers see.
        threshold_if_not_learning = 1e-2: the ratio in a network that learns nothing: after 50
            recorded steps or more, whose updates add up to a twentieth of a layer's weights, its
            loss is not below 0.9 of a constant prediction's (of the first loss where none is known)
            and its accuracy is not above chance. A smaller departure is then the likeliest reason.
    Why it matters:
        The output hardly depends on the input.
    What to do:
        Use the initializer that belongs to the activation; its weights keep the size of the signal.
    Source:
        Glorot & Bengio 2010; He et al. 2015.
    """
    profile = depth_profile(record)
    limit = threshold_if_not_learning if loss_curve.stuck(record) else threshold
    departure = departures.find_over_depth(record, profile.signal_comparable, limit, below=True)
    if departure is None:
        return ()
    first = profile.names[departure.layers[0]]
    rate = rate_text(departure.rate) if departure.extreme > 0 else ""
    start = profile.signal_starts[departure.extreme_layer]
    furthest = profile.names[departure.extreme_layer]
    share = f"{departure.extreme:.2g} of the" if departure.extreme > 0 else "nothing of the"
    message = f"The signal vanishes: {furthest} gets {share} signal in {start}."
    details = (
        f"From {start} to {profile.names[-1]} the rms of z falls{rate}, "
        f"{departure.occurrence.text}; {first} is the first layer below 1/{1 / limit:.0f} of it."
    )
    return (
        departures.finding_over_depth(
            record, profile, departure, "signal", message=message, details=details
        ),
    )
