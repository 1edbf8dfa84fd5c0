"""GS205: samples that the network can no longer tell apart."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import ratio_findings
from gradscope.analyzer.curves import depth_profile
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.theory import causes
from gradscope.analyzer.wording import per_layer
from gradscope.record import Finding, RunRecord


@detector(
    "GS205",
    rank=55,
    follows=(
        "unscaled_input",
        "vanishing_signal",
        "saturated_units",
        "dead_units",
        "vanishing_gradient",
    ),
)
def collapsed_representation(record: RunRecord, *, threshold: float = 1e-3) -> tuple[Finding, ...]:
    """Tell whether all samples look the same to a layer, so that nothing after it can differ.

    Statistic: standard deviation of a unit's activation over the batch, over the rms of the
    activations. Its square is 1 - c, where c is the correlation of two samples (Poole et al. 2016);
    c goes to 1 exponentially in networks in their ordered phase (Schoenholz et al. 2017), while in
    ReLU networks at their critical point it does so as 9 pi^2 / (2 depth^2): 0.07 at 100 layers.

    Error below `threshold` in at least half of the last quarter of the recorded steps, warning when
    only at initialisation. Default 1e-3: the layers after see differences of a thousandth, as with
    the other ratios over depth; critical ReLU networks stay above it to thousands of layers.
    docs/calibration.md has what was measured over a corpus.
    """
    if record.batch_size < 2:
        raise NotMeasured("a batch of one sample has nothing to compare")
    indices = tuple(i for i in depth_profile.stations(record) if record.layers[i].role == "hidden")
    if not indices:
        raise NotMeasured("no hidden layer on the main path is measured")
    columns = list(indices)
    size = record.series["activation_second_moment"][:, columns]
    spread = record.series["activation_sample_variance"][:, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        alike = np.sqrt(np.where((size > 0) & np.isfinite(size), spread / size, np.nan))
    found = ratio_findings.departure(record, alike, threshold, below=True)
    if found is None:
        return ()
    first = record.layers[indices[found.layers[0]]].name
    message = (
        f"The samples collapse: from {first} on they differ by {found.extreme:.2g} of the "
        f"activations' size{per_layer(found.rate)}, {found.spell.words}; all of them look the same "
        "to what comes after."
    )
    remedies = causes.smallest_change(record) if found.spell.since_step == 0 else ()
    return (ratio_findings.finding(record, indices, found, message, remedies=remedies),)
