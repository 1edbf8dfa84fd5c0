"""GS205: samples that the network can no longer tell apart."""

from __future__ import annotations

from gradscope.analyzer import departures
from gradscope.analyzer.curves.depth_profile import stations
from gradscope.analyzer.curves.sample_differences import alike_inputs, differences
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import rate_text
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import causes
from gradscope.record import Action, Finding, Remedy, Role, RunRecord


@detector(
    "GS205",
    rank=55,
    follows=("vanishing_signal", "saturated_units", "dead_units", "vanishing_gradient"),
)
def collapsed_representation(record: RunRecord, *, threshold: float = 1e-3) -> tuple[Finding, ...]:
    """Tell whether all samples look the same to a layer, so that nothing after it can differ.

    What it measures:
        The standard deviation of a unit's activation over the batch, over the rms of the
        activations. Its square is 1 - c, where c is the correlation of two samples. c goes to 1
        exponentially in networks in their ordered phase, while in ReLU networks at their critical
        point it does so as 9 pi^2 / (2 depth^2): 0.07 at 100 layers.
    Error when:
        The ratio is below the threshold at any hidden layer, in at least half of the last quarter
        of the recorded steps.
    Warning when:
        It is below the threshold at initialisation only.
    Not judged when:
        A batch holds one sample, or no hidden layer on the main path is measured.
    Thresholds:
        threshold = 1e-3: the ratio, as for the other ratios over depth: the layers after see
            differences of a thousandth. Critical ReLU networks stay above it to thousands of
            layers. docs/calibration.md has the rates over a corpus.
    Why it matters:
        The network gives every sample the same answer.
    What to do:
        Use the initializer that belongs to the activation, or normalization layers. Where the input
        itself hardly differs, scale it once.
    Source:
        Poole et al. 2016; Schoenholz et al. 2017.
    """
    if record.batch_size < 2:
        raise NotMeasured("a batch of one sample has nothing to compare")
    indices = tuple(i for i in stations(record) if record.layers[i].role == Role.HIDDEN)
    if not indices:
        raise NotMeasured("no hidden layer on the main path is measured")
    ratio = differences(record)
    departure = departures.find_departure(record, ratio[:, list(indices)], threshold, below=True)
    if departure is None:
        return ()
    first = record.layers[indices[departure.layers[0]]].name
    message = (
        f"The samples collapse: from {first} on they differ by {departure.extreme:.2g} of the "
        "activations' size."
    )
    details = (
        f"All samples look the same to what comes after{rate_text(departure.rate)}, "
        f"{departure.occurrence.text}."
    )
    cause = alike_inputs(record)
    remedies: tuple[Remedy, ...] = (Remedy(Action.SCALE_ONCE),)
    if not cause:
        remedies = causes.smallest_change(record) if departure.occurrence.since_step == 0 else ()
    return (
        departures.departure_finding(
            record, indices, departure, message, details=details, cause=cause, remedies=remedies
        ),
    )
