"""GS404: inputs far from unit size."""

from __future__ import annotations

import math

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.feature_size import LARGE, SMALL, fed_rms, measured_rms
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.nonfinite_cause import at_edge
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.catalog.activations import find_activation
from gradscope.config.sections.data import USER_DATA
from gradscope.record import (
    Action,
    Finding,
    Normalization,
    OutcomeStatus,
    Remedy,
    Role,
    RunRecord,
    Severity,
    Trait,
)
from gradscope.record.nonfinite_origin import OperationKind
from gradscope.record.remedies import change_settings
from gradscope.record.run_record import FIT

FLAT = 0.3
"""Mean slope over the largest below which a layer is saturated, as for `saturated_units`."""


_BY_DATA = (
    change_settings(("data.scaling", "standardize")),
    change_settings(("model.batch_norm.input", True)),
)


@detector(
    "GS404",
    rank=2,
    causes=(
        "dead_units",
        "exploding_signal",
        "collapsed_representation",
        "non_finite",
        "unstable_updates",
        "diverging_loss",
        "oscillating_loss",
        "saturated_units",
        "vanishing_through_time",
    ),
    beside_no_error=True,
    then_causes=(
        "vanishing_signal",
        "vanishing_gradient",
        "exploding_gradient",
        "frozen_layers",
    ),
)
def unscaled_input(
    record: RunRecord,
    *,
    max_rms: float = LARGE,
    min_rms: float = SMALL,
    max_constant_ratio: float = 0.95,
) -> tuple[Finding, ...]:
    """Tell whether the features are fed far from unit size, as raw pixels are.

    What it measures:
        The rms of the features as they are fed to the first layer with weights. What the model
        itself does to the features before that layer counts: the rms is also computed from step 0,
        as that of z over sqrt(fan_in) times the kernel's, and both have to be beyond the threshold.
        Features that are whole numbers are judged by z alone.
    Error when:
        The rms is above `max_rms` or below `min_rms`, the network does not learn or its training
        ended in NaN or Inf, and no other error explains that. Where the first layer starts
        saturated (sigmoid, tanh), learning is a loss below half of a constant prediction's or an
        accuracy half of the way to all right.
    Warning when:
        The rms is beyond a threshold and the network learns all the same, another error stands
        beside it, or an operation at the edge of its domain ended the training.
    Not judged when:
        A measured layer that may scale stands before the first weights, and z does not tell of an
        rms above `max_rms` behind it, or an exponential or an operation at the edge of its domain
        ended the training; a batch norm stands right after them; or the features have no finite
        size.
    Thresholds:
        max_rms = 10: the gradient of the first kernel is then ten times the one that its learning
            rate is for; pixels up to 255 give 116. Pixels from 0 to 1 have 0.3 and are no finding.
        min_rms = 0.01: the biases then decide what the first layer passes on.
        max_constant_ratio = 0.95: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network learns, as for `not_learning`; an accuracy
            above chance is learning too.
    Why it matters:
        Every initializer's variance assumes about 1; the first layer's signal and the gradient of
        its kernel scale with the rms. SELU loses its self-normalization.
    What to do:
        Standardize the features, or put a batch norm at the input. Where a layer before the first
        weights gives them their size, scale them once: by the data or by that layer.
    Source:
        LeCun et al. 1998, section 4.3; Klambauer et al. 2017.
    """
    first = min(record.indices(Role.HIDDEN, Role.OUTPUT), default=0)
    scaling, finite = _may_scale(record, first), fed_rms(record)
    if scaling:
        finite = () if _lost_by_operation(record) else measured_rms(record)
        if not max(finite, default=0.0) > max_rms:
            raise NotMeasured(f"{scaling} may scale the features before the first weights")
    if record.layers and record.layers[first].normalization == Normalization.BEFORE_ACTIVATION:
        raise NotMeasured("a batch norm right after the first weights takes the scale away")
    if not finite:
        raise NotMeasured(_without_size(record))
    if not (min(finite) > max_rms or max(finite) < min_rms):
        return ()
    rms, layer = finite[0], record.layers[first]
    large = rms > max_rms
    diverged = record.outcome.status is OutcomeStatus.DIVERGED
    learns = loss_curve.learns(record, max_constant_ratio) and not diverged
    if learns and _saturates(record, first):
        learns = loss_curve.learns_well(record)
    explained = learns or at_edge(record)
    return (
        findings.finding(
            record,
            Severity.WARNING if explained else Severity.ERROR,
            [layer],
            observed=rms,
            threshold=max_rms if large else min_rms,
            message=(
                f"The inputs are unscaled: the features fed to {layer.name} have an rms of "
                f"{rms:.3g}."
            ),
            details=(
                f"They go from {record.data.minimum:.3g} to {record.data.maximum:.3g}, too "
                f"{'large' if large else 'small'} for weights initialised for about 1."
            ),
            cause=f"{scaling}, before it, gives them this size." if scaling else _cause(record),
            remedies=(Remedy(Action.SCALE_ONCE),) if scaling else _BY_DATA,
            evidence=findings.evidence(record, n=record.data.samples, phase="data"),
        ),
    )


def _lost_by_operation(record: RunRecord) -> bool:
    """Whether an operation on its own lost a value: not a product that grew too large."""
    origin = record.nonfinite_origin
    exponential = origin is not None and origin.kind is OperationKind.EXPONENTIAL
    return exponential or at_edge(record)


def _may_scale(record: RunRecord, first: int) -> str:
    """The name of a measured layer before the first weights that does more than join its inputs."""
    for layer in record.layers[:first]:
        if layer.measured and Trait.CONCATENATION not in layer.traits:
            return layer.name
    return ""


def _saturates(record: RunRecord, first: int) -> bool:
    """Whether the first layer is flat at the start: what is learned then, the others learn."""
    layer = record.layers[first]
    entry = find_activation(str(layer.activation)) if layer.role == Role.HIDDEN else None
    if entry is None or not entry.saturates or not len(record.steps) or record.steps[0] != 0:
        return False
    return bool(record.series["derivative_gain"][0, first] < FLAT)


def _without_size(record: RunRecord) -> str:
    """Why neither the data nor step 0 tells the size of the features."""
    whole = math.isnan(record.data.second_moment) and math.isfinite(record.data.minimum)
    return "the inputs are whole numbers" if whole else "the features have no finite size"


def _cause(record: RunRecord) -> str:
    """The setting that left the features as they are; data of the user's has none."""
    if record.data.name in (FIT, USER_DATA):
        return ""
    return f"data.scaling: {record.data.scaling} leaves them as they are."
