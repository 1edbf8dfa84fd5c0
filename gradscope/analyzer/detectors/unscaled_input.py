"""GS404: inputs far from unit size."""

from __future__ import annotations

import math

from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.record import Evidence, Finding, RunRecord


@detector("GS404", rank=2)
def unscaled_input(
    record: RunRecord, *, largest: float = 10.0, smallest: float = 0.01
) -> tuple[Finding, ...]:
    """Tell whether the features are fed far from unit size, as raw pixels are.

    Statistic: rms of the features as they are fed to the first layer. Every initializer's variance
    assumes about 1; the first layer's signal and its kernel's gradient scale with the rms. SELU
    loses its self-normalization (Klambauer et al. 2017 need standardized inputs). A batch norm at
    the input puts them right, so then nothing is judged.

    Error above `largest` or below `smallest`. Default 10: the gradient of the first kernel is then
    ten times the one its learning rate is for; pixels up to 255 give 116. Pixels from 0 to 1 have
    0.3 and are no finding; below 0.01 the biases decide what the first layer sees.
    """
    first = min(record.indices("hidden", "output"), default=0)
    between = [layer for layer in record.layers[:first] if layer.measured]
    if between:
        raise NotMeasured(f"{between[0].name} may scale the features before the first weights")
    rms = record.data.second_moment**0.5
    if not math.isfinite(rms):
        raise NotMeasured("the features have no finite size")
    if smallest <= rms <= largest:
        return ()
    threshold = largest if rms > largest else smallest
    size = "large" if rms > largest else "small"
    layer = record.layers[first]
    return (
        Finding(
            severity="error",
            layers=(layer.name,),
            since_step=0,
            until_step=int(record.steps[-1]) if len(record.steps) else 0,
            observed=rms,
            threshold=threshold,
            message=(
                f"The inputs are unscaled: the features fed to {layer.name} have an rms of "
                f"{rms:.3g} (from {record.data.minimum:.3g} to {record.data.maximum:.3g}), too "
                f"{size} for weights initialised for about 1."
            ),
            cause=f"data.scaling: {record.data.scaling} leaves them as they are.",
            remedy="data.scaling: standardize, or model.batch_norm with input: true",
            evidence=Evidence(
                n=record.data.samples,
                batch_size=record.batch_size,
                phase="data",
                seeds=(record.environment.seed,),
                steps=(0,),
            ),
        ),
    )
