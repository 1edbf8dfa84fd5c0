"""GS301: batch norm makes the gradient grow going back, at initialisation."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import short_number
from gradscope.analyzer.network import batch_norms
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import causes, expectation
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity


@detector("GS301", rank=42)
def batch_norm_explosion(
    record: RunRecord, *, threshold: float = 1e3, max_constant_ratio: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether batch norm makes the gradient explode at initialisation.

    What it measures:
        The rms of delta = dL/dz times that of z at the hidden layers over the last one's, at step
        0, in networks whose hidden layers have batch norm. Batch norm takes the scale of z out, so
        that delta alone would measure in the units of z. No forward figure and no initializer shows
        it. After one step much of it is gone, so the finding speaks of initialisation.
    Error when:
        The ratio is above the threshold, and the network has not learned, or the gradient still
        explodes at the end and the loss has not come down to half.
    Warning when:
        The ratio is above the threshold, and training overcame it.
    Not judged when:
        No hidden layer has a batch norm that normalizes by the batch, there are no two hidden
        layers to compare at initialisation, or delta is not finite or zero there.
    Thresholds:
        threshold = 1e3: the ratio, as for `exploding_gradient`: about 36 ReLU layers. The paper's
            maximum trainable depth, 16 / ln(1.48) = 41 layers, is of the same size.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network has learned, as for `saturated_units`.
    Why it matters:
        The first update rewrites the first layers.
    What to do:
        Use fewer normalized layers in a row, skip connections around them, or an initializer that
        needs no batch norm.
    Source:
        Yang et al. 2019, theorems 7 to 9 and fig. 3: normalizing by the batch multiplies the
        gradient at every layer, for ReLU by sqrt(pi / (pi - 1)) = 1.21 and more on small batches.
    """
    if not any(layer.normalization for layer in record.layers) or not batch_norms(record):
        raise NotMeasured("no hidden layer has batch norm")
    profile = depth_profile(record)
    if len(profile.names) < 2 or not len(record.steps) or record.steps[0] != 0:
        raise NotMeasured("there are no two hidden layers to compare at initialisation")
    start = profile.gradient_relative[0]
    if np.isnan(start).all():
        raise NotMeasured("delta at initialisation is not finite or zero")
    observed = float(np.nanmax(start))
    if not observed > threshold:
        return ()
    at_end = float(np.max(np.nan_to_num(window.typical(profile.gradient_relative, record.steps))))
    overcome = loss_curve.learned(record, max_constant_ratio) and at_end <= threshold
    overcome = overcome or loss_curve.learns_well(record)
    skips = () if record.branches else (Remedy(Action.ADD_SKIP_CONNECTIONS),)
    sick = [record.layers[i] for i, x in zip(profile.indices, start, strict=True) if x > threshold]
    furthest = profile.names[int(np.nanargmax(start))]
    expected = expectation.gradient_rate(expectation.expected(record))
    theory = (
        f"Theory expects x{expected:.2g} per layer going back at batch size {record.batch_size}."
        if math.isfinite(expected)
        else ""
    )
    return (
        findings.finding(
            record,
            Severity.WARNING if overcome else Severity.ERROR,
            sick,
            observed=observed,
            threshold=threshold,
            message=(
                f"Batch norm makes the gradient explode at initialisation: {furthest} gets "
                f"{short_number(observed)} times what reaches {profile.names[-1]}."
            ),
            cause=theory,
            remedies=causes.smallest_change(record) or skips,
            evidence=findings.evidence(record, n=findings.values_per_step(record, sick)),
        ),
    )
