"""The chapter on initialization: what Glorot's, He's and LeCun's variances keep."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scripts.chapter import closed_forms
from scripts.chapter.statement import (
    Figure,
    Records,
    Run,
    Statement,
    above,
    at_end,
    at_start,
    backward_rate,
    forward_rate,
    near,
    within,
)

SIGNAL, DELTA = "preactivation_second_moment", "delta_second_moment"
FAN_OUT = "model.initializer={name: variance_scaling, scale: 2.0, mode: fan_out}"


def _glorot(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    linear, tanh = runs["linear"], runs["tanh"]
    q = closed_forms.signals(np.tanh, 1.0, 10)
    signal, delta = at_start(tanh, SIGNAL), at_start(tanh, DELTA)
    back = closed_forms.gradient_over_depth(closed_forms.tanh_derivative, q)
    return (
        near("linear: E z^2, per layer", 1.0, forward_rate(at_start(linear, SIGNAL)), 0.03),
        near("linear: E delta^2, per layer", 1.0, backward_rate(at_start(linear, DELTA)), 0.03),
        near("tanh: E z^2 at hidden_10 (linear: 1)", q[-1], signal[-1], 0.15),
        near("tanh: E delta^2, hidden_1 over hidden_10", back, delta[0] / delta[-1], 0.2),
    )


def _widths(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    wide, narrow = 256, 64
    mean = (wide + narrow) / 2
    expected = {  # over what keeps the direction: fan_in Var w, fan_out Var w
        "Glorot": (wide / mean, narrow / mean),
        "fan_in": (1.0, narrow / wide),
        "fan_out": (wide / narrow, 1.0),
    }
    found: list[Figure] = []
    for label, run in runs.items():
        # hidden_1, 3, ... are wide: from each to the narrow one above it, and back.
        signal, delta = at_start(run, SIGNAL), at_start(run, DELTA)
        forward, backward = _typical(signal[1::2] / signal[::2]), _typical(delta[::2] / delta[1::2])
        found += [
            near(f"{label}: E z^2, from 256 units to 64", expected[label][0], forward, 0.12),
            near(f"{label}: E delta^2, from 64 back to 256", expected[label][1], backward, 0.08),
        ]
    return tuple(found)


def _typical(ratios: closed_forms.Floats) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


def _he(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    kernel = "kernel_gradient_second_moment"
    he, glorot = runs["he"], runs["glorot"]
    return (
        near("He: E z^2, per layer", 1.0, forward_rate(at_start(he, SIGNAL)), 0.1),
        near("He: E delta^2, per layer", 1.0, backward_rate(at_start(he, DELTA)), 0.05),
        near("Glorot: E z^2, per layer", 0.5, forward_rate(at_start(glorot, SIGNAL)), 0.1),
        near("Glorot: E delta^2, per layer", 0.5, backward_rate(at_start(glorot, DELTA)), 0.05),
        near(
            "Glorot: mean square of the kernels' gradients, per layer",
            1.0,
            backward_rate(at_start(glorot, kernel)[1:]),
            0.08,
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
        "Var w = 2 / (fan_in + fan_out) is 1 / n in square layers: E z^2 and E delta^2 pass "
        "through linear layers unchanged. tanh is linear for small z only. It takes a little of"
        " the signal in every layer, by a power law (E z^2 falls like 1 / (2 depth)), not "
        "exponentially: ten layers keep a usable signal and gradient.",
        {
            "tanh": Run("chapter/glorot", seeds=3, clear=("vanishing_gradient",)),
            "linear": Run("chapter/glorot", ("model.activation=linear",), seeds=2),
        },
        _glorot,
    ),
    Statement(
        "In layers that are not square, Glorot's variance is a compromise",
        "Forward, fan_in Var w should be 1; backward, fan_out Var w. Both at once is possible "
        "in square layers only. Glorot's average of the fans gives each direction 2 fan / "
        "(fan_in + fan_out), fan_in keeps the signal exactly, fan_out the gradient.",
        {"Glorot": Run("chapter/glorot_widths", seeds=3)},
        _widths,
    ),
    Statement(
        "He's variance keeps the signal through ReLU; Glorot's halves it",
        "ReLU lets half of E z^2 pass, so that fan_in Var w has to be 2 (He et al. 2015). With "
        "Glorot's 1 signal and gradient both halve in every layer. The kernels' gradients are "
        "their product and stay flat: they do not show it.",
        {
            "he": Run("relu_he_20", seeds=3, clear=("vanishing_signal", "vanishing_gradient")),
            "glorot": Run(
                "relu_glorot_30", seeds=3, found=("vanishing_signal", "vanishing_gradient")
            ),
        },
        _he,
    ),
    Statement(
        "He with fan_in keeps the signal, with fan_out the gradient",
        "He et al. say that either will do: what one direction loses is a ratio of widths, "
        "which does not grow with depth, as in a network that goes from 256 units to 64 and "
        "back.",
        {
            "fan_in": Run("chapter/he_widths", seeds=3),
            "fan_out": Run("chapter/he_widths", (FAN_OUT,), seeds=3),
        },
        _widths,
    ),
    Statement(
        "ReLU units die; leaky ReLU's and ELU's do not",
        "A ReLU unit whose z is negative for every sample has no gradient and stays as it is. "
        "Large steps push units there. Where phi' is never zero the same steps leave no unit "
        "dead.",
        {
            "relu": Run("chapter/dying", start=False, found=("dead_units",)),
            **{
                name: Run(
                    "chapter/dying",
                    (f"model.activation={name}",),
                    start=False,
                    clear=("dead_units",),
                )
                for name in ("leaky_relu", "elu")
            },
        },
        _dying,
    ),
)
