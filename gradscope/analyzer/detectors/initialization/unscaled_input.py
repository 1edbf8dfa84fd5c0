"""GS404: inputs far from unit size."""

from __future__ import annotations

import math

from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.record import Evidence, Finding, RunRecord, Trait

"""Layers whose z is their kernel times what they are fed."""


@detector("GS404", rank=2)
def unscaled_input(
    record: RunRecord, *, largest: float = 10.0, smallest: float = 0.01
) -> tuple[Finding, ...]:
    """Tell whether the features are fed far from unit size, as raw pixels are.

    Statistic: rms of the features as they are fed to the first layer with weights. Every
    initializer's variance assumes about 1; the first layer's signal and its kernel's gradient scale
    with the rms. SELU loses its self-normalization (Klambauer et al. 2017 need standardized
    inputs). What the model itself does to the features before that layer counts: the rms is also
    told from step 0, as that of z over sqrt(fan_in) times the kernel's, and both must be beyond.
    A batch norm at the input or right after the first weights puts them right, so then nothing is
    judged; features that are whole numbers are judged by z alone.

    Error above `largest` or below `smallest`. Default 10: the gradient of the first kernel is then
    ten times the one its learning rate is for; pixels up to 255 give 116. Pixels from 0 to 1 have
    0.3 and are no finding; below 0.01 the biases decide what the first layer sees.
    """
    first = min(record.indices("hidden", "output"), default=0)
    between = [layer for layer in record.layers[:first] if layer.measured]
    if between:
        raise NotMeasured(f"{between[0].name} may scale the features before the first weights")
    if record.layers and record.layers[first].normalization == "before_activation":
        raise NotMeasured("a batch norm right after the first weights takes the scale away")
    told, seen = record.data.second_moment**0.5, _seen(record, first)
    if not math.isfinite(told) and not math.isfinite(seen):
        raise NotMeasured("the features have no finite size")
    known = [rms for rms in (told, seen) if math.isfinite(rms)]
    if not (min(known) > largest or max(known) < smallest):
        return ()
    rms = known[0]
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


def _seen(record: RunRecord, first: int) -> float:
    """Rms of what the first layer is fed, by its z at step 0; NaN where that does not tell."""
    if not len(record.steps) or record.steps[0] != 0 or not record.layers:
        return math.nan
    layer = record.layers[first]
    z = float(record.series["preactivation_second_moment"][0, first])
    weight = float(record.series["weight_second_moment"][0, first])
    known = layer.fan_in and layer.bias_initializer in (None, "zeros")
    if not known or Trait.LINEAR_KERNEL not in layer.traits or not weight > 0:
        return math.nan
    return math.sqrt(z / (int(layer.fan_in or 1) * weight))
