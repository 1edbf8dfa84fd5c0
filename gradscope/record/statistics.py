"""The one table that names and defines every number gradscope records.

Notation: layer l computes z and a = phi(z), where z is what the activation receives: W x + b, or
the output of a batch norm that stands between them. delta = dL/dz, where L is the mean loss per
sample times the batch size, so that batch sizes compare. Pooled means run over samples and units,
and over places or time steps where an output has them; a unit there is a place's channel.

A layer that applies no activation has z = a, its output. So has one whose activations act inside a
loop (recurrent layers, TimeDistributed): its z and a are what it gives, and its delta is
dL/d(output). Of several outputs the first is meant that the loss depends on. A kernel is all the
matrices that a layer has of its own, pooled: a recurrent layer's `kernel` and `recurrent_kernel`, a
separable convolution's two, every matrix of stacked cells; each gradient varies about its own mean.
Biases are no part of it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statistic:
    """A name and what it means; `unit` is what a reader calls one of it."""

    name: str
    definition: str
    unit: str = "1"


_TABLE = (
    Statistic("preactivation_second_moment", "E z^2, pooled over samples and units"),
    Statistic("preactivation_variance", "variance of z, pooled over samples and units"),
    Statistic("activation_mean", "E a, pooled over samples and units"),
    Statistic("activation_second_moment", "E a^2, pooled over samples and units"),
    Statistic("activation_variance", "variance of a, pooled over samples and units"),
    Statistic(
        "activation_sample_variance",
        "variance of a across the batch for each unit, then the mean over units",
    ),
    Statistic("delta_second_moment", "E delta^2, pooled over samples and units"),
    Statistic("delta_variance", "variance of delta, pooled over samples and units"),
    Statistic(
        "kernel_gradient_second_moment", "mean square of the kernel's gradient of the mean loss"
    ),
    Statistic("kernel_gradient_variance", "variance of the kernel's gradient of the mean loss"),
    Statistic("bias_gradient_second_moment", "mean square of the bias's gradient of the mean loss"),
    Statistic(
        "update_ratio",
        "rms of the kernel's change in this step / rms of the kernel before it; none at step 0",
    ),
    Statistic(
        "dead_fraction",
        "share of units whose derivative phi'(z) is exactly zero for every sample of the probe set",
        "share of units",
    ),
    Statistic("zero_fraction", "share of activations that are exactly zero", "share of values"),
    Statistic(
        "derivative_gain",
        "E phi'(z) / max |phi'|: 1 in the linear regime, near 0 saturated; not measured where phi' "
        "has no maximum (exponential)",
    ),
    Statistic(
        "nonfinite_count",
        "NaN and Inf in z, a, delta, the gradients and the kernel after the update",
        "values",
    ),
    Statistic("nonfinite_forward_count", "NaN and Inf in z and a", "values"),
    Statistic("nonfinite_backward_count", "NaN and Inf in delta and the gradients", "values"),
    Statistic(
        "underflow_fraction",
        "share of delta that is zero or below the smallest normal float32 where phi'(z) is not "
        "zero; what later layers let nothing back of (pooling, masks, dead samples) counts too",
        "share of values",
    ),
    Statistic(
        "batch_norm_mean_gap",
        "rms over features of (batch mean - moving mean) / sqrt(moving variance + epsilon)",
    ),
    Statistic(
        "batch_norm_variance_ratio",
        "geometric mean over features of (batch variance + epsilon) / (moving variance + epsilon)",
    ),
    Statistic("weight_second_moment", "mean square of the kernel in this step's forward pass"),
    Statistic(
        "example_gradient_square",
        "mean over the samples of the squared norm of one sample's kernel gradient; Dense layers, "
        "with training.gradient_noise",
    ),
    Statistic(
        "gradient_noise_scale",
        "trace of the covariance of the samples' kernel gradients over the squared norm of their "
        "mean, both estimated from this batch; Dense layers, with training.gradient_noise",
        "samples",
    ),
)

STATISTICS: dict[str, Statistic] = {statistic.name: statistic for statistic in _TABLE}

_PROFILES = (
    Statistic(
        "recurrent_delta_second_moment",
        "E (dL/dh_t)^2 at each time step t of a recurrent layer, pooled over units and the samples "
        "that are not masked there: the total derivative, with what flows back through later steps "
        "(Pascanu et al. 2013). t counts the input's steps, also where the layer goes backwards",
    ),
)

PROFILES: dict[str, Statistic] = {statistic.name: statistic for statistic in _PROFILES}
"""Statistics of one layer over time: [step, time] for each recurrent layer that can be followed."""
