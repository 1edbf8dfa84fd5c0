"""GS102: the error signal grows on its way back to the first layers."""

from __future__ import annotations

from gradscope.analyzer import departures
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names, rate_text, short_number
from gradscope.record import Finding, RunRecord


@detector("GS102", rank=45, follows=("exploding_signal", "batch_norm_explosion"))
def exploding_gradient(
    record: RunRecord, *, threshold: float = 1e3, threshold_if_not_learning: float = 1e2
) -> tuple[Finding, ...]:
    """Tell whether the gradient grows on its way back to the first layers.

    What it measures:
        The rms of delta = dL/dz at each hidden layer over the rms at the last hidden layer, of the
        layers that `vanishing_gradient` compares. The growth shows before anything overflows. The
        size of the gradients alone would also change with the scale of the loss.
    Error when:
        The ratio is above the threshold at any layer, in at least half of the last quarter of the
        recorded steps.
    Warning when:
        It is above the threshold at initialisation only. Or the network learns all the same: its
        loss came below half of a constant prediction's (of the first loss where none is known), or
        its accuracy went half of the way from chance to all right.
    Not judged when:
        Fewer than two hidden layers are on the main path, or no step has a finite figure.
    Thresholds:
        threshold = 1e3: the ratio, the mirror of `vanishing_gradient`. The shipped healthy configs
            stay below 200 at every single step, and only the SELU network of 100 layers comes above
            10 (tests/test_shipped_configs.py); docs/calibration.md has the rates over a corpus.
        threshold_if_not_learning = 1e2: the ratio in a network that learns nothing: after 50
            recorded steps or more, whose updates add up to a twentieth of a layer's weights, its
            loss is not below 0.9 of a constant prediction's (of the first loss where none is known)
            and its accuracy is not above chance. A smaller departure is then the likeliest reason.
    Why it matters:
        One learning rate cannot suit both ends of the network: the first layers are rewritten while
        the last ones hardly move.
    What to do:
        Use the initializer that belongs to the activation. If training brought it about, lower the
        learning rate or clip the gradient.
    Source:
        Glorot & Bengio 2010; Pascanu et al. 2013.
    """
    profile = depth_profile(record)
    limit = threshold_if_not_learning if loss_curve.stuck(record) else threshold
    departure = departures.find_over_depth(record, profile.gradient_relative, limit, below=False)
    if departure is None:
        return ()
    where = layer_names([profile.names[i] for i in departure.layers], departure.layers)
    rate = rate_text(departure.rate**-1, " going back")
    last, furthest = profile.names[-1], profile.names[departure.extreme_layer]
    message = (
        f"The gradient explodes: {furthest} gets {short_number(departure.extreme)} times what "
        f"reaches {last}."
    )
    details = (
        f"From {last} back to {profile.names[0]} {profile.quantity} grows{rate}, "
        f"{departure.occurrence.text}; {where} get more than {limit:.0f} times as much."
    )
    return (
        departures.finding_over_depth(
            record,
            profile,
            departure,
            "delta",
            message=message,
            details=details,
            at_most_warning=loss_curve.learns_well(record),
        ),
    )
