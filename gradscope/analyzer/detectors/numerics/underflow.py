"""GS502: gradients too small for the numbers that hold them."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import departures
from gradscope.analyzer.curves import gradient_cut
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, Remedy, Role, RunRecord


@detector("GS502", rank=60, follows=("vanishing_gradient",))
def underflow(record: RunRecord, *, threshold: float = 0.1) -> tuple[Finding, ...]:
    """Tell whether part of the error signal falls below the smallest number float32 holds.

    What it measures:
        The share of delta that is zero or below 1.2e-38 where phi'(z) is not zero, in layers whose
        delta has an rms below 1e-30. A larger delta with zeros among it is a structural zero: max
        pooling, dropout, masks and silent units leave exact zeros in healthy layers. Here, and only
        here, the size of delta counts, because the range of the numbers ends.
    Error when:
        The share is above the threshold in at least half of the last quarter of the recorded steps.
    Warning when:
        It is above the threshold at initialisation only.
    Not judged when:
        The network computes in half precision (its loss scaling is not in the record), or no hidden
        layer's delta was measured.
    Thresholds:
        threshold = 0.1: the share: a tenth of the signal is lost, and the figures of this layer are
            too low by as much.
    Why it matters:
        The gradient below such a layer is made of what rounding left of it.
    What to do:
        Mend what makes the gradient vanish; a larger loss only moves the limit.
    Source:
        IEEE 754, binary32: the smallest normal number is 2^-126.
    """
    if "16" in record.environment.dtype:
        raise NotMeasured(f"the range of {record.environment.dtype} depends on its loss scaling")
    indices = record.indices(Role.HIDDEN)
    columns = list(indices)
    share = record.series["underflow_fraction"][:, columns]
    if not indices or np.isnan(share).all():
        raise NotMeasured("no hidden layer's delta was measured")
    delta = np.sqrt(np.nan_to_num(record.series["delta_second_moment"], posinf=0.0))
    size, after = delta[:, columns], gradient_cut.delta_of_next_layer(delta)[:, columns]
    # Zero below a layer with a sound delta is cut off or dead; below a faded one it is underflow.
    faded = (size < gradient_cut.FLUSHED) & ((size > 0) | (after < gradient_cut.FLUSHED))
    lost = np.where(np.isnan(share), np.nan, np.where(faded, share, 0.0))
    lost[~delta.any(axis=1)] = np.nan  # without any error signal nothing was lost on the way
    departure = departures.find_departure(record, lost, threshold, below=False)
    if departure is None:
        return ()
    names = [record.layers[indices[i]].name for i in departure.layers]
    message = (
        f"The gradient underflows in {layer_names(names, departure.layers)}: "
        f"{departure.extreme:.0%} of delta is below what float32 holds."
    )
    details = f"So it is {departure.occurrence.text}."
    remedies = (Remedy(Action.RESTORE_GRADIENT),)
    return (
        departures.departure_finding(
            record, indices, departure, message, details=details, remedies=remedies
        ),
    )
