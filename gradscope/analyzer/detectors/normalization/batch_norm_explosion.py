"""GS301: batch norm makes the gradient grow going back, at initialisation."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import static_findings
from gradscope.analyzer.curves import depth_profile, loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.theory import causes, expectation
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity


@detector("GS301", rank=42)
def batch_norm_explosion(
    record: RunRecord, *, threshold: float = 1e3, learned: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether batch norm makes the gradient explode at initialisation.

    Statistic: rms of delta = dL/dz at the hidden layers over the last one's, at step 0, in networks
    whose hidden layers have batch norm. Normalizing by the batch multiplies the gradient at every
    layer, for ReLU by sqrt(pi / (pi - 1)) = 1.21 and more on small batches (Yang et al. 2019,
    theorems 7 to 9). No forward figure and no initializer shows it. After one step much of it is
    gone (their fig. 3), so it is said 'at initialisation'.

    Fires above `threshold`: error when the gradient still explodes at the end, or the loss is not
    below `learned` of a constant answer's (of the first where none is known); warning when training
    overcame it. Default 1e3 as for `exploding_gradient`: about 36 ReLU layers; the paper's maximum
    trainable depth, 16 / ln(1.48) = 41 layers, is of the same size. Default 0.9 as for
    `saturated_units`.
    """
    if not any(layer.normalization for layer in record.layers) or not static_findings.batch_norms(
        record
    ):
        raise NotMeasured("no hidden layer has batch norm")
    profile = depth_profile.of(record)
    if len(profile.names) < 2 or not len(record.steps) or record.steps[0] != 0:
        raise NotMeasured("there are no two hidden layers to compare at initialisation")
    start = profile.delta_relative[0]
    if np.isnan(start).all():
        raise NotMeasured("delta at initialisation is not finite or zero")
    observed = float(np.nanmax(start))
    if not observed > threshold:
        return ()
    largest = float(np.max(np.nan_to_num(window.typical(profile.delta_relative))))
    learns = loss_curve.learned(record, learned)
    sick = [record.layers[i] for i, x in zip(profile.indices, start, strict=True) if x > threshold]
    expected = expectation.gradient_rate(expectation.expected(record))
    theory = (
        f"Theory expects x{expected:.2g} per layer going back at batch size {record.batch_size}."
        if math.isfinite(expected)
        else ""
    )
    return (
        static_findings.finding(
            record,
            Severity.WARNING if learns and largest <= threshold else Severity.ERROR,
            sick,
            observed=observed,
            threshold=threshold,
            message=(
                f"Batch norm makes the gradient explode at initialisation: from "
                f"{profile.names[-1]} back to {profile.names[0]} the rms of delta grows to "
                f"{observed:.2g} times its size."
            ),
            cause=theory,
            remedies=causes.smallest_change(record) or (Remedy(Action.ADD_SKIP_CONNECTIONS),),
            n=record.batch_size * min(int(layer.units or 1) for layer in sick),
            phase="training",
        ),
    )
