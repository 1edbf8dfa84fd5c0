"""The chapter on initialization: what Glorot's, He's and LeCun's variances keep."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scripts.chapter import closed_forms
from scripts.chapter.statement import (
    Figure,
    Panel,
    Records,
    Run,
    Statement,
    above,
    at_end,
    at_start,
    backward_rate,
    forward_rate,
    near,
    rms,
    within,
)

DEAD = "dead_fraction"
SIGNAL, DELTA = "preactivation_second_moment", "delta_second_moment"
FAN_OUT = "model.initializer={name: variance_scaling, scale: 2.0, mode: fan_out}"


def _glorot(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    linear, tanh = runs["linear"], runs["tanh"]
    q = closed_forms.signals(np.tanh, 1.0, 10)
    signal, delta = at_start(tanh, SIGNAL), at_start(tanh, DELTA)
    back = closed_forms.gradient_over_depth(closed_forms.tanh_derivative, q)
    return (
        rms(near("linear: rms of z, per layer", 1.0, forward_rate(at_start(linear, SIGNAL)), 0.03)),
        rms(
            near(
                "linear: rms of delta, per layer", 1.0, backward_rate(at_start(linear, DELTA)), 0.03
            )
        ),
        rms(near("tanh: rms of z at hidden_10 (linear: 1)", q[-1], signal[-1], 0.15)),
        rms(near("tanh: rms of delta, hidden_1 over hidden_10", back, delta[0] / delta[-1], 0.2)),
    )


def _widths(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    wide, narrow = 256, 64
    mean = (wide + narrow) / 2
    expected = {  # over what keeps the direction: fan_in Var w, fan_out Var w
        "Glorot": (wide / mean, narrow / mean),
        "fan_in": (1.0, narrow / wide),
        "fan_out": (wide / narrow, 1.0),
    }
    figures: list[Figure] = []
    for label, run in runs.items():
        # hidden_1, 3, ... are wide: from each to the narrow one above it, and back.
        signal, delta = at_start(run, SIGNAL), at_start(run, DELTA)
        forward, backward = _typical(signal[1::2] / signal[::2]), _typical(delta[::2] / delta[1::2])
        figures += [
            rms(
                near(f"{label}: rms of z, from 256 units to 64", expected[label][0], forward, 0.12)
            ),
            rms(
                near(
                    f"{label}: rms of delta, from 64 back to 256",
                    expected[label][1],
                    backward,
                    0.08,
                )
            ),
        ]
    return tuple(figures)


def _typical(ratios: closed_forms.Floats) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


def _he(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    kernel = "kernel_gradient_second_moment"
    he, glorot = runs["he"], runs["glorot"]
    return (
        rms(near("He: rms of z, per layer", 1.0, forward_rate(at_start(he, SIGNAL)), 0.1)),
        rms(near("He: rms of delta, per layer", 1.0, backward_rate(at_start(he, DELTA)), 0.05)),
        rms(near("Glorot: rms of z, per layer", 0.5, forward_rate(at_start(glorot, SIGNAL)), 0.1)),
        rms(
            near(
                "Glorot: rms of delta, per layer", 0.5, backward_rate(at_start(glorot, DELTA)), 0.05
            )
        ),
        rms(
            near(
                "Glorot: rms of the kernels' gradients, per layer",
                1.0,
                backward_rate(at_start(glorot, kernel)[1:]),
                0.08,
            )
        ),
    )


def _dying(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    what = "dead units of the worst layer, share"
    dead = {label: float(at_end(run, "dead_fraction").max()) for label, run in runs.items()}
    return (
        above(f"relu: {what}", 0.5, dead["relu"]),
        within(f"leaky_relu: {what}", 0.0, dead["leaky_relu"], 0.0),
        within(f"elu: {what}", 0.0, dead["elu"], 0.0),
    )


STATEMENTS = (
    Statement(
        "Glorot's variance keeps signal and gradient, where the activation is linear",
        "Var w = 2 / (fan_in + fan_out) is 1 / n in square layers, so E z^2 and E delta^2 pass "
        "through linear layers unchanged. tanh is linear only for small z. Each tanh layer "
        "reduces the signal a little: E z^2 falls like 1 / (2 depth), a power law and not an "
        "exponential. Ten layers keep a usable signal and gradient.",
        {
            "tanh": Run("chapter/glorot", seeds=3, without_findings=("vanishing_gradient",)),
            "linear": Run("chapter/glorot", ("model.activation=linear",), seeds=2),
        },
        _glorot,
    ),
    Statement(
        "In layers that are not square, Glorot's variance is a compromise",
        "To keep the signal, fan_in Var w should be 1. To keep the gradient, fan_out Var w "
        "should be 1. Both are possible only in square layers. Glorot's variance uses the "
        "average of the two fans: each direction gets the factor 2 fan / (fan_in + fan_out). "
        "A variance of 1 / fan_in keeps the signal exactly, 1 / fan_out the gradient.",
        {"Glorot": Run("chapter/glorot_widths", seeds=3)},
        _widths,
    ),
    Statement(
        "He's variance keeps the signal through ReLU; Glorot's halves it",
        "ReLU passes half of E z^2, so fan_in Var w has to be 2 (He et al. 2015). Glorot's "
        "variance gives 1: E z^2 and E delta^2 halve in every layer, x0.707 on the rms. A "
        "kernel's gradient is the product of both. It stays the same over depth and does not show "
        "the fault.",
        {
            "he": Run(
                "relu_he_20", seeds=3, without_findings=("vanishing_signal", "vanishing_gradient")
            ),
            "glorot": Run(
                "relu_glorot_30", seeds=3, with_findings=("vanishing_signal", "vanishing_gradient")
            ),
        },
        _he,
    ),
    Statement(
        "He with fan_in keeps the signal, with fan_out the gradient",
        "He et al. state that either is sufficient. The other direction changes by a ratio of "
        "widths, which does not grow with depth. The network here goes from 256 units to 64 "
        "and back.",
        {
            "fan_in": Run("chapter/he_widths", seeds=3),
            "fan_out": Run("chapter/he_widths", (FAN_OUT,), seeds=3),
        },
        _widths,
    ),
    Statement(
        "ReLU units die; leaky ReLU's and ELU's do not",
        "A ReLU unit whose z is negative for every sample has no gradient and does not change "
        "any more. Large steps bring units into this state. With leaky ReLU and ELU, phi' is "
        "never zero, and the same steps leave no unit dead.",
        {
            "relu": Run("chapter/dying", start=False, with_findings=("dead_units",)),
            **{
                name: Run(
                    "chapter/dying",
                    (f"model.activation={name}",),
                    start=False,
                    without_findings=("dead_units",),
                )
                for name in ("leaky_relu", "elu")
            },
        },
        _dying,
        (Panel("Dead units at the last step, share", DEAD, "layers at the end", share=True),),
    ),
)
