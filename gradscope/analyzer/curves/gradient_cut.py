"""Layers that no gradient reaches at all, in contrast to those it reaches weakly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradscope.record import LayerInfo, Role, RunRecord, UnmeasuredReason
from gradscope.record.run_record import Floats

NONE = 1e-12
"""Ratio of delta to the next layer's that counts as no gradient. Unconnected paths measure exactly
0; no healthy layer reduces a gradient by a factor of 1e12 at once."""

FLUSHED = 1e-30
"""Rms of delta below which float32 loses part of it: a hundred million times the smallest normal
number, since deltas of one layer spread over several decades."""


def unreached(record: RunRecord) -> tuple[list[LayerInfo], list[LayerInfo]]:
    """Layers with weights that the survey found cut off: those before all others, and the rest.

    What is cut on the way from input to output has everything that is measured behind it; an
    output that is not trained, with what belongs to it alone, branches off from measured layers.
    Where nothing is measured, everything is cut on the way. A layer is called reached where one of
    its calls is: the penalty on a critic's gradient does not depend on that call's own output.
    """
    measured = record.indices(Role.HIDDEN, Role.OUTPUT)
    reached = {without_call(record.layers[i].name) for i in measured}
    silent = [
        x
        for x in record.layers
        if x.parameters
        and x.reason == UnmeasuredReason.NO_GRADIENT
        and without_call(x.name) not in reached
    ]
    first = min(measured, default=len(record.layers))
    return [x for x in silent if x.index < first], [x for x in silent if x.index >= first]


def without_call(name: str) -> str:
    """The name without the number of the call: ``dense#2`` is the second call of ``dense``."""
    return name.partition("#")[0]


def cut_layers(record: RunRecord, none: float = NONE) -> npt.NDArray[np.bool_]:
    """Whether each layer's trainable weights got no gradient at any step after the first, [layer].

    Compared is delta with the next later layer's that has one, and the kernel's gradient with the
    largest of any kernel. A gradient that faded below float32 on its way is not cut, nor is one
    that was there at some step. All false when nothing can be compared: before the first update a
    head that starts at zero passes no gradient back. Nor is a step judged whose gradients are not
    all finite.
    """
    measured = record.series["delta_second_moment"]
    known = np.isfinite(measured)
    finite = np.all(known | ~known.any(axis=0), axis=1)
    delta = np.sqrt(np.where(known, measured, 0.0))
    kernel = np.sqrt(record.series["kernel_gradient_second_moment"])
    live = finite & (delta.max(axis=1, initial=0.0) > FLUSHED)
    is_cut = np.zeros(len(record.layers), bool)
    if not np.any(live & (record.steps > 1)):
        return is_cut
    # Where nothing connects a kernel with the loss there is no gradient, not one of zero.
    absent = [
        i
        for i in record.indices(Role.HIDDEN, Role.OUTPUT)
        if "kernel_gradient_second_moment" not in record.layers[i].unmeasured
        and record.layers[i].parameters
        and np.isnan(kernel[:, i]).all()
        and np.isfinite(record.series["delta_second_moment"][:, i]).any()
    ]
    kernel[:, absent] = 0.0
    delta, kernel = delta[live], kernel[live]
    largest = np.nan_to_num(np.fmax.reduce(kernel, axis=1))
    following = delta_of_next_layer(delta)
    for index in record.indices(Role.HIDDEN, Role.OUTPUT):
        reference = following[:, index]
        silent = (delta[:, index] <= none * reference) & (reference > FLUSHED)
        is_cut[index] = bool(np.all(silent & (kernel[:, index] <= none * largest)))
    return is_cut


def delta_of_next_layer(delta: Floats) -> Floats:
    """Delta of the next later layer that has one, [step, layer]; the largest of all if none has."""
    following = np.empty_like(delta)
    nearest = delta.max(axis=1, initial=0.0)
    for index in range(delta.shape[1] - 1, -1, -1):
        following[:, index] = nearest
        nearest = np.where(delta[:, index] > 0, delta[:, index], nearest)
    return following
