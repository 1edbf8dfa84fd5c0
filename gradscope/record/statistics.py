"""The one table that names and defines every number gradscope records.

Notation: layer l computes z and a = phi(z), where z is what the activation receives: W x + b, or
the output of a batch norm that stands between them. delta = dL/dz, where L is the mean loss per
sample times the batch size, so that batch sizes compare. Pooled means run over samples and units,
and over pixels or time steps where an output has them; a unit there is a channel at one of them.

A layer that applies no activation has z = a, its output. So has one whose activations act inside a
loop (recurrent layers, TimeDistributed): its z and a are its output, and its delta is
dL/d(output). Of several outputs, the first that the loss depends on is measured. A kernel is all
the matrices of a layer, pooled: a recurrent layer's `kernel` and `recurrent_kernel`, a separable
convolution's two, every matrix of stacked cells; each gradient varies about its own mean. Biases
are not part of it.

From this table are made: the statistics in ``result.schema.json`` and ``docs/result_schema.md``
(``scripts/make_schema_page.py``), the columns of the report's layer table, and the groups of
statistics that the runner leaves out where a layer lacks what they are about.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class MeasuredAt(StrEnum):
    """What a layer must have for a statistic to be measured there."""

    SIGNAL = "z, a and delta of a layer"
    DERIVATIVE = "phi'(z) of a layer with an activation"
    PROBE_SET = "phi'(z) of a layer with an activation, on the probe set"
    KERNEL = "kernel"
    BIAS = "bias"
    BATCH_NORM = "input of a batch norm"
    GAMMA = "gamma of a batch norm"
    BETA = "beta of a batch norm"
    SAMPLE_GRADIENTS = "kernel of a Dense layer, sample by sample"
    LAYER = "all tensors of a layer"
    TIME_STEPS = "state of a recurrent layer at each time step"


class Pass(StrEnum):
    """The part of a training step after which a statistic is complete."""

    FORWARD = "forward"
    BACKWARD = "backward"
    UPDATE = "update"


class Pooling(Enum):
    """How the values of one step become one number per layer.

    The second text says how such numbers of several batches under the same weights are merged.
    """

    MEAN = "mean over samples and units", "mean, weighted by the number of values"
    VARIANCE = (
        "variance over samples and units",
        "mean of the variances plus variance of the means (Chan, Golub and LeVeque 1983)",
    )
    SAMPLES_THEN_UNITS = "over samples for each unit, then mean over units", "not merged"
    ENTRIES = "mean over entries", "not merged"
    ENTRIES_VARIANCE = "variance over entries", "not merged"
    FEATURES = "mean over features", "not merged"
    RATIO = "ratio of two norms", "not merged"
    COUNT = "count", "sum"


class OverSteps(StrEnum):
    """How the recorded steps of a window become one number in the report's table."""

    GEOMETRIC_MEAN = "geometric mean"
    MEDIAN = "median"
    LATEST = "last measured"


class NumberForm(StrEnum):
    """How a column of the report's table writes its numbers."""

    NUMBER = "number"
    PERCENT = "percent"
    RMS = "square root, as a number"


@dataclass(frozen=True)
class Column:
    """A column of the report's layer table.

    `position` orders the columns from left to right. A narrow terminal keeps the columns of low
    `priority`. `logarithmic` says that two layers are compared by decades, not by difference, when
    equal rows are folded; they are not compared at all unless it is `compared`.
    """

    heading: str
    form: NumberForm
    legend: str
    position: int
    priority: int
    logarithmic: bool = False
    compared: bool = True


@dataclass(frozen=True)
class Statistic:
    """A name, what it means, where it is measured and how it is aggregated.

    `unit` is what a reader calls one of it, `source` the paper or standard that it is taken from.
    """

    name: str
    definition: str
    measured_at: MeasuredAt
    after: Pass
    pooling: Pooling
    source: str
    unit: str = "1"
    over_steps: OverSteps = OverSteps.MEDIAN
    column: Column | None = None


_GLOROT = "Glorot and Bengio 2010"
_HE = "He et al. 2015"
_SCHOENHOLZ = "Schoenholz et al. 2017"
_BATCH_NORM = "Ioffe and Szegedy 2015"

# fmt: off
_TABLE = (
    Statistic(
        "preactivation_second_moment",
        "E z^2, pooled over samples and units",
        MeasuredAt.SIGNAL, Pass.FORWARD, Pooling.MEAN, "Poole et al. 2016",
        over_steps=OverSteps.GEOMETRIC_MEAN,
        column=Column(
            "signal", NumberForm.RMS,
            "rms of z, what the activation receives",
            1, 0, logarithmic=True,
        ),
    ),
    Statistic(
        "preactivation_variance",
        "variance of z, pooled over samples and units",
        MeasuredAt.SIGNAL, Pass.FORWARD, Pooling.VARIANCE, _HE,
    ),
    Statistic(
        "activation_mean",
        "E a, pooled over samples and units",
        MeasuredAt.SIGNAL, Pass.FORWARD, Pooling.MEAN, _GLOROT,
        column=Column(
            "mean a", NumberForm.NUMBER,
            "mean of the activations",
            6, 4, compared=False,
        ),
    ),
    Statistic(
        "activation_second_moment",
        "E a^2, pooled over samples and units",
        MeasuredAt.SIGNAL, Pass.FORWARD, Pooling.MEAN, _HE,
    ),
    Statistic(
        "activation_variance",
        "variance of a, pooled over samples and units",
        MeasuredAt.SIGNAL, Pass.FORWARD, Pooling.VARIANCE, _GLOROT,
    ),
    Statistic(
        "activation_sample_variance",
        "variance of a across the batch for each unit, then the mean over units",
        MeasuredAt.SIGNAL, Pass.FORWARD, Pooling.SAMPLES_THEN_UNITS, _SCHOENHOLZ,
    ),
    Statistic(
        "delta_second_moment",
        "E delta^2, pooled over samples and units",
        MeasuredAt.SIGNAL, Pass.BACKWARD, Pooling.MEAN, _SCHOENHOLZ,
        over_steps=OverSteps.GEOMETRIC_MEAN,
        column=Column(
            "gradient", NumberForm.RMS,
            "rms of delta = dL/dz over that of the last hidden layer",
            2, 0, logarithmic=True,
        ),
    ),
    Statistic(
        "delta_variance",
        "variance of delta, pooled over samples and units",
        MeasuredAt.SIGNAL, Pass.BACKWARD, Pooling.VARIANCE, _GLOROT,
    ),
    Statistic(
        "kernel_gradient_second_moment",
        "mean square of the kernel's gradient of the mean loss",
        MeasuredAt.KERNEL, Pass.BACKWARD, Pooling.ENTRIES, _GLOROT,
    ),
    Statistic(
        "kernel_gradient_variance",
        "variance of the kernel's gradient of the mean loss",
        MeasuredAt.KERNEL, Pass.BACKWARD, Pooling.ENTRIES_VARIANCE, _GLOROT,
    ),
    Statistic(
        "bias_gradient_second_moment",
        "mean square of the bias's gradient of the mean loss",
        MeasuredAt.BIAS, Pass.BACKWARD, Pooling.ENTRIES, _GLOROT,
    ),
    Statistic(
        "update_ratio",
        "rms of the kernel's change in this step / rms of the kernel before it; none at step 0",
        MeasuredAt.KERNEL, Pass.UPDATE, Pooling.RATIO, "Karpathy, CS231n notes",
        column=Column(
            "update", NumberForm.NUMBER,
            "rms of the change of the weights over their rms",
            5, 2, logarithmic=True,
        ),
    ),
    Statistic(
        "dead_fraction",
        "share of units whose derivative phi'(z) is exactly zero for every sample of the probe "
        "set",
        MeasuredAt.PROBE_SET, Pass.FORWARD, Pooling.SAMPLES_THEN_UNITS, "Maas et al. 2013",
        unit="share of units", over_steps=OverSteps.LATEST,
        column=Column(
            "dead", NumberForm.PERCENT,
            "units whose slope is 0 for every sample of the probe set, when last shown",
            3, 1,
        ),
    ),
    Statistic(
        "zero_fraction",
        "share of activations that are exactly zero",
        MeasuredAt.SIGNAL, Pass.FORWARD, Pooling.MEAN, "Glorot, Bordes and Bengio 2011",
        unit="share of values",
    ),
    Statistic(
        "derivative_gain",
        "E phi'(z) / max |phi'|: 1 in the linear regime, near 0 saturated; not measured where "
        "phi' has no maximum (exponential)",
        MeasuredAt.DERIVATIVE, Pass.FORWARD, Pooling.MEAN, _GLOROT,
        column=Column(
            "phi' gain", NumberForm.NUMBER,
            "mean slope of the activation over its largest, near 0 when saturated; a linear layer "
            "has neither",
            4, 3,
        ),
    ),
    Statistic(
        "nonfinite_count",
        "NaN and Inf in z, a, delta, the gradients and the kernel after the update",
        MeasuredAt.LAYER, Pass.UPDATE, Pooling.COUNT, "IEEE 754",
        unit="values",
    ),
    Statistic(
        "nonfinite_forward_count",
        "NaN and Inf in z and a",
        MeasuredAt.LAYER, Pass.FORWARD, Pooling.COUNT, "IEEE 754",
        unit="values",
    ),
    Statistic(
        "nonfinite_backward_count",
        "NaN and Inf in delta and the gradients",
        MeasuredAt.LAYER, Pass.BACKWARD, Pooling.COUNT, "IEEE 754",
        unit="values",
    ),
    Statistic(
        "underflow_fraction",
        "share of delta that is zero or below the smallest normal float32 where phi'(z) is not "
        "zero; what later layers let nothing back of (pooling, masks, dead samples) counts too",
        MeasuredAt.SIGNAL, Pass.BACKWARD, Pooling.MEAN, "Micikevicius et al. 2018",
        unit="share of values",
    ),
    Statistic(
        "batch_norm_mean_gap",
        "rms over features of (batch mean - moving mean) / sqrt(moving variance + epsilon)",
        MeasuredAt.BATCH_NORM, Pass.FORWARD, Pooling.FEATURES, _BATCH_NORM,
    ),
    Statistic(
        "batch_norm_variance_ratio",
        "geometric mean over features of (batch variance + epsilon) / (moving variance + epsilon)",
        MeasuredAt.BATCH_NORM, Pass.FORWARD, Pooling.FEATURES, _BATCH_NORM,
    ),
    Statistic(
        "weight_second_moment",
        "mean square of the kernel in this step's forward pass",
        MeasuredAt.KERNEL, Pass.FORWARD, Pooling.ENTRIES, _HE,
    ),
    Statistic(
        "weight_variance",
        "variance of the kernel in this step's forward pass",
        MeasuredAt.KERNEL, Pass.FORWARD, Pooling.ENTRIES_VARIANCE, _GLOROT,
    ),
    Statistic(
        "batch_norm_gamma_mean",
        "mean of gamma in this step's forward pass",
        MeasuredAt.GAMMA, Pass.FORWARD, Pooling.FEATURES, _BATCH_NORM,
    ),
    Statistic(
        "batch_norm_gamma_second_moment",
        "mean square of gamma in this step's forward pass",
        MeasuredAt.GAMMA, Pass.FORWARD, Pooling.FEATURES, _BATCH_NORM,
    ),
    Statistic(
        "batch_norm_beta_second_moment",
        "mean square of beta in this step's forward pass",
        MeasuredAt.BETA, Pass.FORWARD, Pooling.FEATURES, _BATCH_NORM,
    ),
    Statistic(
        "example_gradient_square",
        "mean over the samples of the squared norm of one sample's kernel gradient; Dense layers, "
        "with training.gradient_noise",
        MeasuredAt.SAMPLE_GRADIENTS, Pass.BACKWARD, Pooling.MEAN, "Goodfellow 2015, eq. 1",
    ),
    Statistic(
        "gradient_noise_scale",
        "trace of the covariance of the samples' kernel gradients over the squared norm of their "
        "mean, both estimated from this batch; Dense layers, with training.gradient_noise",
        MeasuredAt.SAMPLE_GRADIENTS, Pass.BACKWARD, Pooling.RATIO,
        "McCandlish et al. 2018, eq. 2.8",
        unit="samples",
    ),
)
# fmt: on

STATISTICS: dict[str, Statistic] = {statistic.name: statistic for statistic in _TABLE}
"""Statistics of a layer by name, in the order of the rows of every block of figures."""

# fmt: off
_PROFILES = (
    Statistic(
        "recurrent_delta_second_moment",
        "E (dL/dh_t)^2 at each time step t of a recurrent layer, pooled over units and the "
        "samples that are not masked there: the total derivative, with what flows back through "
        "later steps (Pascanu et al. 2013). t counts the input's steps, also where the layer goes "
        "backwards",
        MeasuredAt.TIME_STEPS, Pass.BACKWARD, Pooling.MEAN, "Pascanu et al. 2013",
        over_steps=OverSteps.GEOMETRIC_MEAN,
    ),
)
# fmt: on

PROFILES: dict[str, Statistic] = {statistic.name: statistic for statistic in _PROFILES}
"""Statistics of one layer over time: [step, time] for each recurrent layer that can be followed."""


def measured_at(*kinds: MeasuredAt) -> tuple[str, ...]:
    """Names of the statistics that are measured at one of `kinds`, in the table's order."""
    return tuple(s.name for s in STATISTICS.values() if s.measured_at in kinds)


def complete_after(part: Pass) -> tuple[str, ...]:
    """Names of the statistics that are complete after this part of a step, in the table's order."""
    return tuple(s.name for s in STATISTICS.values() if s.after is part)


def columns() -> dict[str, Column]:
    """Name of a statistic -> its column in the report's layer table, from left to right."""
    shown = {s.name: s.column for s in STATISTICS.values() if s.column}
    return dict(sorted(shown.items(), key=lambda item: item[1].position))
