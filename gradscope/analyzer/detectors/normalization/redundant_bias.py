"""GS305: a bias that the batch norm after it takes away again."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import static_findings
from gradscope.analyzer.curves import window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Finding, LayerInfo, RunRecord, Trait


@detector("GS305", rank=90)
def redundant_bias(record: RunRecord, *, threshold: float = 1e-3) -> tuple[Finding, ...]:
    """Tell whether layers have a bias that the batch norm right after them takes away.

    Statistic: rms of the bias's gradient over that of the kernel's, median over the last quarter of
    the recorded steps, for layers whose output a batch norm normalizes. Subtracting the batch's
    mean removes any constant, so the gradient is a structural zero: no fault, only parameters
    without use, and no reason for another verdict.

    Info below `threshold`. Default 1e-3: rounding leaves 1e-7 to 1e-5 of the kernel's gradient; a
    bias with an effect has about as much as the kernel.
    """
    layers = [layer for layer in record.layers if _normed(record, layer)]
    if not layers:
        raise NotMeasured("no layer has a bias and a batch norm right after it")
    columns = [layer.index for layer in layers]
    bias = record.series["bias_gradient_second_moment"][:, columns]
    kernel = record.series["kernel_gradient_second_moment"][:, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(np.where(kernel > 0, bias / kernel, np.nan))
    if np.isnan(ratio).all():
        raise NotMeasured("no gradient of such a bias was measured")
    typical = window.median(ratio[window.last(len(ratio))])
    places = [i for i, value in enumerate(typical) if value < threshold]
    if not places:
        return ()
    sick = [layers[i] for i in places]
    return (
        static_findings.finding(
            record,
            "info",
            sick,
            observed=float(np.max(typical[places])),
            threshold=threshold,
            message=(
                f"The bias of {named([layer.name for layer in sick], places)} does nothing: the "
                "batch norm after it subtracts it again (its gradient is a structural zero)."
            ),
            remedy="use_bias: false there",
            n=min(int(layer.units or 1) for layer in sick),
            phase="training",
        ),
    )


def _normed(record: RunRecord, layer: LayerInfo) -> bool:
    """Whether a batch norm follows the layer's weights with nothing in between."""
    straight = layer.normalization == "before_activation" or (
        layer.normalization == "after_activation" and layer.activation == "linear"
    )
    following = static_findings.norm_behind(record, layer)
    return bool(layer.use_bias and straight and following and Trait.BATCH_NORM in following.traits)
