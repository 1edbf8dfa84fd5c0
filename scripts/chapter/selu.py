"""The chapter on SELU: what LeCun's variance keeps, and the three conditions, each broken alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradscope import api
from gradscope.datasets import loading
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
    mean_at_start,
    near,
    rms,
    within,
)

SQUARE = "activation_second_moment"
SQUARE_PANEL = Panel("Rms of a at step 0", SQUARE)
DETECTOR = ("selu_conditions",)


def _fixed_point(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    square, mean = at_start(runs["kept"], SQUARE), mean_at_start(runs["kept"], "activation_mean")
    return (
        rms(near("rms of a over 20 layers", 1.0, square.mean(), 0.08)),
        within("mean of a over 20 layers", 0.0, mean.mean(), 0.02),
        rms(near("rms of a at hidden_20", 1.0, square[-1], 0.12)),
    )


def _initializer(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    q = closed_forms.signals(closed_forms.selu, 2.0, 5, gain=2.0)
    fifth = closed_forms.second(closed_forms.selu, q[-1])
    kept, broken = (at_start(runs[label], SQUARE) for label in ("kept", "broken"))
    return (
        rms(near("lecun_normal: rms of a at hidden_20", 1.0, kept[-1], 0.12)),
        rms(near("he_normal: rms of a at hidden_5", fifth, broken[4], 0.45)),
        rms(above("he_normal: rms of a at hidden_20", 10.0, broken[-1])),
    )


def _inputs(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    """Every image has a mean square of its own, which the layers take towards 1."""
    config = api.load_config(CONFIGS / "selu_unscaled_inputs.yaml")
    data = config.data
    samples = loading.load(data.name, data.parameters, data.scaling, config.training.batch_size)
    flat = samples.x.reshape(len(samples.x), -1).astype(np.float64)
    squares = np.quantile(np.mean(flat**2, axis=1), np.linspace(0.005, 0.995, 100))
    z = [closed_forms.signals(closed_forms.selu, float(q), 20) for q in squares]
    first, last = (
        float(np.mean([closed_forms.second(closed_forms.selu, q[at]) for q in z])) for at in (0, -1)
    )
    kept, broken = at_start(runs["kept"], SQUARE), at_start(runs["broken"], SQUARE)
    return (
        rms(near("standardized: rms of a at hidden_1", 1.0, kept[0], 0.08)),
        rms(near("pixels 0 to 255: rms of a at hidden_1", first, broken[0], 0.25)),
        rms(near("pixels 0 to 255: rms of a at hidden_20", last, broken[-1], 0.45)),
    )


def _dropout(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    q = closed_forms.signals(closed_forms.selu, 1.0, 20, kept=0.9)
    kept, broken = (at_start(runs[label], SQUARE)[-1] for label in ("kept", "broken"))
    return (
        rms(near("no dropout: rms of a at hidden_20", 1.0, kept, 0.12)),
        rms(
            near(
                "dropout 0.1: rms of a at hidden_20",
                closed_forms.second(closed_forms.selu, q[-1]),
                broken,
                0.12,
            )
        ),
    )


def _shortcuts(runs: Mapping[str, Records]) -> tuple[Figure, ...]:
    sums = [
        [
            record.series[SQUARE][0, layer.index]
            for layer in record.layers
            if layer.name.startswith("sum_")
        ]
        for record in runs["broken"]
    ]
    measured = np.exp(np.mean(np.log(sums), axis=0))
    return (
        rms(near("after one sum: rms of x", closed_forms.summed_selu(1), measured[0], 0.1)),
        rms(near("after ten sums: rms of x", closed_forms.summed_selu(10), measured[-1], 0.6)),
    )


KEPT = Run("chapter/selu", seeds=3, without_findings=DETECTOR)

STATEMENTS = (
    Statement(
        "LeCun's variance puts SELU at its fixed point: mean 0, variance 1",
        "SELU's two constants are chosen so that z of mean 0 and variance 1 gives activations "
        "of mean 0 and variance 1 (Klambauer et al. 2017). Var w = 1 / fan_in then gives z of "
        "variance 1 again, without any normalization layer. The fixed point is stable: after a "
        "chance deviation the moments return to it. `configs/selu_lecun_100.yaml` shows it over "
        "a hundred layers.",
        {"kept": KEPT},
        _fixed_point,
        (SQUARE_PANEL,),
    ),
    Statement(
        "First condition of SELU: LeCun's variance",
        "He's variance is twice LeCun's and has no fixed point: far from 0 each layer "
        "multiplies the rms of z by 1.0507.",
        {
            "kept": KEPT,
            "broken": Run(
                "chapter/selu", ("model.initializer=he_normal",), seeds=3, with_findings=DETECTOR
            ),
        },
        _initializer,
        (SQUARE_PANEL,),
    ),
    Statement(
        "Second condition of SELU: standardized inputs",
        "The fixed point has a domain (mean within 0.1 of 0, variance 0.8 to 1.5). Pixels from "
        "0 to 255 are far outside. The layers reduce the signal again, but need about twenty "
        "layers for it.",
        {
            "kept": KEPT,
            "broken": Run(
                "selu_unscaled_inputs", seeds=3, with_findings=(*DETECTOR, "unscaled_input")
            ),
        },
        _inputs,
        (SQUARE_PANEL,),
    ),
    Statement(
        "Third condition of SELU: a plain stack, without plain dropout",
        "Dropout at rate r multiplies E a^2 by 1 / (1 - r) in every layer and moves the fixed "
        "point. AlphaDropout keeps it.",
        {
            "kept": KEPT,
            "broken": Run("chapter/selu", ("model.dropout=0.1",), seeds=3, with_findings=DETECTOR),
        },
        _dropout,
        (SQUARE_PANEL,),
    ),
    Statement(
        "Third condition of SELU: a plain stack, without shortcuts",
        "A sum x + selu(W x) adds the variances, and later the means. No layer reduces them "
        "again: E x^2 doubles with the first sum (x1.41 on the rms) and then grows exponentially.",
        {"broken": Run("chapter/selu_shortcuts", with_findings=DETECTOR)},
        _shortcuts,
        (SQUARE_PANEL,),
    ),
)
