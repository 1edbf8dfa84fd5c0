"""The chapter on batch normalization: what it repairs, what it costs, and its momentum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gradscope import api
from gradscope.datasets import loading
from gradscope.record import RunRecord
from scripts.chapter import closed_forms
from scripts.chapter.statement import (
    CONFIGS,
    Figure,
    Panel,
    Records,
    Run,
    Statement,
    above,
    at_start,
    backward_rate,
    below,
    forward_rate,
    near,
    rms,
    within,
)

SIGNAL, DELTA = "preactivation_second_moment", "delta_second_moment"
START, DEEP, MOMENTUM = (f"chapter/batch_norm_{name}" for name in ("start", "deep", "momentum"))

_MOVING = "Variance of the batch over the moving variance"
FIRST_NORM = Panel(f"{_MOVING}, first batch norm", "batch_norm_variance_ratio", "steps")
LAST_NORM = Panel(f"{_MOVING}, last batch norm", "batch_norm_variance_ratio", "steps", layer=-1)


def _start(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    gain = 100 * 0.02**2
    normed, plain = runs["normed"], runs["plain"]
    loss = {label: float(np.mean(run[0].scalars["loss"][-10:])) for label, run in runs.items()}
    return (
        rms(
            near(
                "batch norm: rms of z at hidden_8",
                closed_forms.normalized(gain),
                at_start(normed, SIGNAL)[-1],
                0.03,
            )
        ),
        rms(
            near("none: rms of z, per layer", gain / 2, forward_rate(at_start(plain, SIGNAL)), 0.3)
        ),
        below("batch norm: loss of the last 10 steps", 1.3, loss["normed"]),
        within("none: the same, ln 10 is chance", math.log(10), loss["plain"], 0.02),
        rms(
            near(
                "batch norm: rms of delta, per layer going back",
                closed_forms.batch_norm_rate(32),
                backward_rate(at_start(normed, DELTA)),
                0.08,
            )
        ),
    )


def _deep(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    rates = {label: backward_rate(at_start(run, DELTA)) for label, run in runs.items()}
    signal = at_start(runs["32"], SIGNAL)
    limit = math.pi / (math.pi - 1)
    return (
        rms(near("rms of z at hidden_40", closed_forms.normalized(2.0), signal[-1], 0.02)),
        rms(
            near(
                "batches of 32: rms of delta, per layer going back",
                closed_forms.batch_norm_rate(32),
                rates["32"],
                0.04,
            )
        ),
        rms(
            near(
                "batches of 128: rms of delta, per layer going back",
                closed_forms.batch_norm_rate(128),
                rates["128"],
                0.04,
            )
        ),
        rms(near("the same, against the limit sqrt(pi / (pi - 1))", limit, rates["128"], 0.05)),
    )


def _placement(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    before, after = (at_start(runs[label], SIGNAL)[1] for label in ("before", "after"))
    return (
        rms(near("before: rms of z at hidden_2, for any weights", 1.0, before, 0.02)),
        rms(near("after: rms of z at hidden_2, sqrt(fan_in Var w)", 2.0, after, 0.15)),
    )


def _bias(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    ratio = {
        label: np.sqrt(
            at_start(run, "bias_gradient_second_moment")
            / at_start(run, "kernel_gradient_second_moment")
        ).max()
        for label, run in runs.items()
    }
    what = "rms of the biases' gradient over the kernels'"
    return (
        below(f"before the activation: {what}", 1e-5, ratio["before"]),
        above(f"after the activation: {what}", 0.1, ratio["after"]),
    )


def _inference(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    figures: list[Figure] = []
    for label, bound, limit in (("0.9", below, 1.5), ("0.99", above, 2.0)):
        record = runs[label][0]
        trained = float(np.mean(record.scalars["loss"][-10:]))
        over = record.evaluation["test_loss"] / trained
        figures.append(bound(f"momentum {label}: test loss over training loss", limit, over))
    return (
        *figures,
        below("momentum 0.99: test accuracy (0.1 is chance)", 0.4, _accuracy(runs["0.99"])),
        above("momentum 0.9: test accuracy", 0.5, _accuracy(runs["0.9"])),
    )


def _accuracy(run: Records) -> float:
    return run[0].evaluation["test_accuracy"]


def _momentum(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    figures = []
    for momentum, updates in (("0.99", 100), ("1.0", 100), ("0.0", 1), ("0.999", 100)):
        left = float(momentum) ** updates
        measured = share_left(runs[momentum][0], updates)
        what = f"momentum {float(momentum):g}: share of the start left after {updates} updates"
        figures.append(within(what, left, measured, 1e-3))
    return tuple(figures)


def share_left(record: RunRecord, updates: int) -> float:
    """The share of the initial mean 0 in the moving mean after `updates`, from the recorded gap.

    The batch is the whole training set, so its mean mu and variance s^2 are known. A share w of the
    start leaves the moving statistics at (1 - w) mu and w + (1 - w) s^2, and the gap, which grows
    with w, is rms(w mu / sqrt(w + (1 - w) s^2 + epsilon)): solved for w by halving.
    """
    config = api.load_config(CONFIGS / f"{MOMENTUM}.yaml")
    data = config.data
    samples = loading.load(data.name, data.parameters, data.scaling, config.training.batch_size)
    x = samples.x.astype(np.float64)
    mean, variance = x.mean(axis=0), x.var(axis=0)
    layer = next(layer for layer in record.layers if layer.role == "normalization")
    # A pass sees what the updates before it left; step 1 is the first pass that updates.
    gap = record.series["batch_norm_mean_gap"][updates + 1, layer.index]

    def expected_gap(w: float) -> float:
        scale = w + (1.0 - w) * variance + 1e-3
        return float(np.sqrt(np.mean((w * mean) ** 2 / scale)))

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_gap(middle) < gap else (low, middle)
    return (low + high) / 2


BIASED = Run("notebook_bn_before", ("model.use_bias=true",))

STATEMENTS = (
    Statement(
        "Batch norm makes up for a bad start, going forward",
        "Weights of standard deviation 0.02 reduce E z^2 to a fiftieth in every layer, x0.141 on "
        "the rms. Batch norm before the activation sets it to s^2 / (s^2 + 0.001), where s^2 is "
        "the variance of the batch, and the network learns. Without batch norm the loss stays at "
        "ln 10. The "
        "gradient does not depend on the size of the weights either: it grows by the rate of "
        "the next statement.",
        {
            "normed": Run(
                START, start=False, without_findings=("vanishing_signal", "vanishing_gradient")
            ),
            "plain": Run(
                START, ("model.batch_norm=none",), start=False, with_findings=("vanishing_signal",)
            ),
        },
        _start,
    ),
    Statement(
        "Batch norm makes the gradient explode with depth, at initialisation",
        "Every ReLU layer with batch norm multiplies E delta^2 by pi / (pi - 1) = 1.467, the "
        "rms by 1.211, and by more on small batches (Yang et al. 2019). The signal does not show "
        "it. Over 40 layers the rms of delta grows more than a thousandfold.",
        {
            "32": Run(DEEP, with_findings=("batch_norm_explosion",)),
            "128": Run(
                DEEP,
                ("model.depth=8", "model.width=256", "training.batch_size=128"),
                without_findings=("batch_norm_explosion",),
            ),
        },
        _deep,
    ),
    Statement(
        "Before the activation or after it",
        "Before the activation: z is normalized, so its rms is 1 for any weights. After the "
        "activation: the input of the next layer is normalized, so its E z^2 is fan_in Var w, "
        "which is 2 with He's variance.",
        {
            "before": BIASED,
            "after": Run("notebook"),
        },
        _placement,
    ),
    Statement(
        "A bias before batch norm does nothing",
        "Batch norm subtracts the mean of the batch, and every constant with it, so the "
        "gradient of the bias is zero except for rounding. If batch norm stands after the "
        "activation, the bias has an effect.",
        {
            "before": replace(BIASED, with_findings=("redundant_bias",)),
            "after": Run("notebook", without_findings=("redundant_bias",)),
        },
        _bias,
        (Panel("Rms of the bias gradient at step 0", "bias_gradient_second_moment"),),
    ),
    Statement(
        "Training normalizes by the batch, inference by moving averages",
        "Until the moving averages are close to the statistics of the batches, inference "
        "computes a different function than training. After 100 steps with momentum 0.99 the "
        "moving variance still holds 37 % of its start, 1. The batches of this network, with "
        "its small weights, start at 0.014.",
        {
            "0.9": Run(START, start=False, without_findings=("batch_norm_inference_gap",)),
            "0.99": Run(
                START,
                ("model.batch_norm.momentum=0.99",),
                start=False,
                with_findings=("batch_norm_inference_gap",),
            ),
        },
        _inference,
        (LAST_NORM,),
    ),
    Statement(
        "Momentum: close to 1, many batches count; at 0, only the last",
        "The chapter's notebook states the opposite. Keras computes moving = moving * momentum "
        "+ batch * (1 - momentum), so after t updates the share momentum^t of the start is "
        "left. With momentum 1 the moving statistics never change. With 0 they are those of the "
        "last batch. With Keras's default, 0.99, 36.6 % of the start is left after 100 updates. "
        "`gradscope explain batch_norm_momentum` prints the formula, and the finding its "
        "numbers.",
        {
            "0.99": Run(MOMENTUM, start=False, without_findings=("batch_norm_momentum",)),
            "1.0": Run(
                MOMENTUM,
                ("model.batch_norm.momentum=1.0",),
                start=False,
                with_findings=("batch_norm_momentum",),
            ),
            "0.0": Run(
                MOMENTUM,
                ("model.batch_norm.momentum=0.0",),
                start=False,
                without_findings=("batch_norm_momentum",),
            ),
            "0.999": Run(
                MOMENTUM,
                ("model.batch_norm.momentum=0.999",),
                start=False,
                with_findings=("batch_norm_momentum",),
            ),
        },
        _momentum,
        (FIRST_NORM,),
    ),
)
