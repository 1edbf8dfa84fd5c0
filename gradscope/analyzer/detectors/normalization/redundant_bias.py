"""GS305: a bias that the batch norm after it takes away again."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import window
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.network import next_normalization
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import (
    Action,
    Finding,
    LayerInfo,
    Normalization,
    Remedy,
    RunRecord,
    Severity,
    Trait,
)


@detector("GS305", rank=90)
def redundant_bias(record: RunRecord, *, threshold: float = 1e-3) -> tuple[Finding, ...]:
    """Tell whether layers have a bias that the batch norm right after them takes away.

    What it measures:
        The rms of the bias's gradient over that of the kernel's, as a median over the last quarter
        of the recorded steps, for layers whose output a batch norm normalizes. Subtracting the mean
        of the batch removes any constant, so the gradient is a structural zero.
    Info when:
        The ratio is below the threshold. It is no fault, and no reason for another verdict.
    Not judged when:
        No layer has a bias and a batch norm right after it, or its gradient was not measured.
    Thresholds:
        threshold = 1e-3: the ratio. Rounding leaves 1e-7 to 1e-5 of the kernel's gradient; a bias
            with an effect has about as much as the kernel.
    Why it matters:
        The parameters have no use.
    What to do:
        Set use_bias to false in these layers.
    Source:
        Ioffe & Szegedy 2015, section 3.2.
    """
    layers = [layer for layer in record.layers if _normalized(record, layer)]
    if not layers:
        raise NotMeasured("no layer has a bias and a batch norm right after it")
    columns = [layer.index for layer in layers]
    bias = record.series["bias_gradient_second_moment"][:, columns]
    kernel = record.series["kernel_gradient_second_moment"][:, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(np.where(kernel > 0, bias / kernel, np.nan))
    if np.isnan(ratio).all():
        raise NotMeasured("no gradient of such a bias was measured")
    typical = window.median(ratio[window.last_quarter(record.steps)])
    positions = [i for i, value in enumerate(typical) if value < threshold]
    if not positions:
        return ()
    sick = [layers[i] for i in positions]
    names = tuple(layer.name for layer in sick)
    return (
        findings.finding(
            record,
            Severity.INFO,
            sick,
            observed=np.max(typical[positions]),
            threshold=threshold,
            message=(
                f"The bias of {layer_names(names, positions)} does nothing: the batch norm after "
                "it subtracts it again."
            ),
            details="Its gradient is a structural zero.",
            remedies=(Remedy(Action.REMOVE_BIAS, layers=names),),
            evidence=findings.evidence(record, n=min(int(layer.units or 1) for layer in sick)),
        ),
    )


def _normalized(record: RunRecord, layer: LayerInfo) -> bool:
    """Whether a batch norm follows the layer's weights with nothing in between."""
    straight = layer.normalization == Normalization.BEFORE_ACTIVATION or (
        layer.normalization == Normalization.AFTER_ACTIVATION and layer.activation == "linear"
    )
    following = next_normalization(record, layer)
    return bool(layer.use_bias and straight and following and Trait.BATCH_NORM in following.traits)
