"""The detectors that look at how a network starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradscope.record import LayerInfo, RunRecord
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.synthetic import DATA, changed, geometric, network, normed, over_time, record
from tests.layers import layer_row

FALLS = np.linspace(1.0, 0.1, 41)


def mismatch() -> Iterator[Case]:
    case = partial(Case, "initializer_mismatch")
    glorot = network([100] * 30, initializer="glorot_normal")
    options = {"scale": 8.0, "mode": "fan_in", "distribution": "normal"}
    doubled = network([100] * 20, initializer="variance_scaling", initializer_parameters=options)

    def faded(ratio: float, layers: Any = glorot, **more: Any) -> RunRecord:
        depth = sum(layer.role == "hidden" for layer in layers)
        profile = geometric(ratio, depth)
        return record(layers, signal=profile, delta=profile[::-1], **more)

    level, fading = np.ones(30), geometric(1e-6, 30)
    overcome = over_time(41, (0, fading[::-1]), (5, level))
    gelu = [network([100] * n, activation="gelu", initializer="he_normal") for n in (3, 30)]
    yield case("healthy", "he", lambda: record(30))
    yield case("healthy", "gelu_he_at_3_layers", lambda: faded(0.8, gelu[0]))
    yield case("healthy", "predicted_but_not_seen", lambda: record(glorot))
    yield case("healthy", "seen_but_not_predicted", lambda: faded(1e-6, network([100] * 30)))
    yield case("healthy", "seen_the_other_way", lambda: faded(1e6))
    yield case(
        "healthy", "outside_theory", lambda: record(network([9], initializer="zeros")), "skipped"
    )
    yield case(
        "healthy",
        "batch_norm",
        lambda: record(
            normed(
                network([100] * 30, initializer="glorot_normal", normalization="before_activation")
            )
        ),
        "skipped",
    )
    yield case("healthy", "started_later", lambda: faded(1e-6, steps=(5, 6, 7)), "skipped")
    raw = replace(DATA, second_moment=13000.0)
    yield case("healthy", "raw_pixels", lambda: faded(1e-6, data=raw), "skipped")
    yield case("healthy", "no_rows", lambda: record(glorot, steps=()), "skipped")
    yield case("sick", "glorot", lambda: faded(1e-6), "error", (0, 40), None, 1e6)
    yield case("sick", "twice_he", lambda: faded(1e6, doubled), "error")
    yield case("sick", "gelu_he_at_30_layers", lambda: faded(1e-5, gelu[1]), "error")
    yield case(
        "sick",
        "unit_normal_at_2_layers",
        lambda: record(
            network([100] * 2, initializer="random_normal", initializer_parameters={"stddev": 1.0}),
            signal=[28.0, 200.0],
        ),
        "error",
        None,
        None,
        200.0,
    )
    yield case("sick", "overcome", lambda: record(glorot, delta=overcome, loss=FALLS), "warning")
    for name, ratio, severity in (
        ("inside", OUTSIDE / 100, ""),
        ("outside", INSIDE / 100, "warning"),
    ):
        yield case("borderline", name, partial(faded, ratio, loss=FALLS), severity)
    for name, ratio, left, severity in (
        ("learns_enough", 1 / 999, 0.9 * INSIDE, "warning"),
        ("learns_too_little", 1 / 999, 0.9 * OUTSIDE, "error"),
        ("lasting_inside", OUTSIDE / 1000, 0.1, "warning"),
        ("lasting_outside", INSIDE / 1000, 0.1, "error"),
    ):
        loss = np.where(np.arange(41) < 9, 1.0, left) * np.log(10)
        yield case("borderline", name, partial(faded, ratio, loss=loss), severity)


def selu() -> Iterator[Case]:
    case = partial(Case, "selu_conditions")

    def net(
        layers: Any = None, size: float = 1.0, loss: float = 1.0, steps: int = 60, **data: float
    ) -> RunRecord:
        facts = {**{"mean": 0.0, "second_moment": 1.0}, **data}
        return record(
            layers or network([784] * 5, activation="selu", initializer="lecun_normal"),
            hidden_figures={"activation_second_moment": size},
            loss=np.linspace(1.0, loss, steps + 1) * np.log(10),
            steps=steps,
            data=replace(DATA, **facts),
        )

    def scaled(scale: float) -> tuple[LayerInfo, ...]:
        options = {"scale": scale, "mode": "fan_in", "distribution": "normal"}
        return network(
            [100] * 5,
            activation="selu",
            initializer="variance_scaling",
            initializer_parameters=options,
        )

    lecun: dict[str, Any] = {"activation": "selu", "initializer": "lecun_normal"}
    dropped = network([784] * 5, **lecun, dropout=0.1)
    plain = network([784] * 5, **lecun)
    residual = (
        *changed(plain, "hidden_2", main_path=False)[:-1],
        layer_row(6, "add", "Add", "structure"),
        replace(plain[-1], index=7),
    )
    he = network([784] * 5, activation="selu", initializer="he_normal")
    first = ("hidden_1",)
    yield case("healthy", "all_conditions", net)
    yield case(
        "healthy",
        "unscaled_but_normed",
        lambda: net(network([100] * 3, **lecun, input_norm=True), second_moment=99.0),
    )
    yield case("healthy", "no_selu", record, "skipped")
    yield case(
        "healthy",
        "with_batch_norm",
        lambda: net(normed(network([9] * 3, activation="selu", normalization="after_activation"))),
        "skipped",
    )
    yield case("sick", "features", lambda: net(second_moment=50.0), "warning", (0, 60), first, 50.0)
    yield case("sick", "mean", lambda: net(mean=0.5), "warning", None, first, 0.5)
    yield case("sick", "weights", lambda: net(he), "warning", None, None, 1.0)
    yield case("sick", "weights_deep", lambda: net(he, 9.0), "error")
    yield case("sick", "dropout", lambda: net(dropped), "warning", None, None, 0.1)
    yield case("sick", "residual", lambda: net(residual), "warning", None, ("hidden_2",))
    yield case("sick", "no_rows", lambda: record(he, steps=()), "warning")
    for name, layers, facts, severity in (
        ("variance_low_inside", None, {"second_moment": 0.8 * OUTSIDE}, ""),
        ("variance_low_outside", None, {"second_moment": 0.8 * INSIDE}, "warning"),
        ("variance_high_inside", None, {"second_moment": 1.5 * INSIDE}, ""),
        ("variance_high_outside", None, {"second_moment": 1.5 * OUTSIDE}, "warning"),
        ("mean_inside", None, {"mean": 0.1 * INSIDE}, ""),
        ("mean_outside", None, {"mean": 0.1 * OUTSIDE}, "warning"),
        ("gain_inside", scaled(1.1 * INSIDE), {}, ""),
        ("gain_outside", scaled(1.1 * OUTSIDE), {}, "warning"),
        ("lost_but_learning", he, {"size": 9.0, "loss": 0.1}, "warning"),
        ("lost_in_few_steps", he, {"size": 9.0, "steps": 49}, "warning"),
        ("lost_in_enough_steps", he, {"size": 9.0, "steps": 50}, "error"),
        ("lost_inside", he, {"size": 4.0}, "warning"),
        ("lost_outside", he, {"size": 4.0 * OUTSIDE}, "error"),
        ("lost_small", he, {"size": 0.25 * INSIDE}, "error"),
    ):
        yield case("borderline", name, partial(net, layers, **facts), severity)


def symmetric() -> Iterator[Case]:
    case = partial(Case, "symmetric_units")

    def net(share: object, layers: Any = 5, weight: object = None, **more: Any) -> RunRecord:
        count = layers if isinstance(layers, int) else sum(x.role == "hidden" for x in layers)
        figures = {
            "activation_variance": 1.0,
            "activation_sample_variance": 1.0 - np.asarray(share),
            "weight_second_moment": 0.01 + 1e-5 * np.arange(count) if weight is None else weight,
        }
        return record(layers, hidden_figures=figures, **more)

    constant = network([100] * 3, initializer="constant")
    broken = over_time(41, (0, 0.0), (2, 0.3))
    one_unit = network([1, 1])
    tied, orthogonal = [0.01, 0.02, 0.02, 0.03, 0.04], network([9] * 3, initializer="orthogonal")
    zeros = over_time(41, (0, [0.01, 0.0, 0.02]))
    shared = changed(network([9, 9, 9]), "hidden_3", name="hidden_2#2")
    # As a convolution, whose positions differ where its units do not.
    drawn = tuple(
        replace(x, initializer_parameters={"value": 0.1}) if x.role == "hidden" else x
        for x in constant
    )
    learns = np.geomspace(2.3, 0.4, 41)
    yield case("sick", "one_number", lambda: net(0.3, drawn, 0.1**2), "error", (0, 40))
    yield case("healthy", "one_number_and_learns", lambda: net(0.3, drawn, 0.1**2, loss=learns))
    yield case("healthy", "one_number_overwritten", lambda: net(0.3, drawn, 0.0101))
    yield case("healthy", "random", lambda: net(0.3))
    yield case("healthy", "many_samples", lambda: net(1.0 / 4096))
    yield case("healthy", "one_unit", lambda: net(0.0, one_unit), "skipped")
    yield case("healthy", "never_varies", record, "skipped")
    yield case("healthy", "no_rows", lambda: net(0.3, steps=()), "skipped")
    yield case("healthy", "shared_layer", lambda: net(0.3, shared, [0.01, 0.02, 0.02]))
    yield case("healthy", "orthogonal", lambda: net(0.3, orthogonal, 0.01))
    yield case(
        "healthy",
        "linear_behind_batch_norm",
        lambda: net(
            0.0, normed(network([9] * 3, activation="linear", normalization="before_activation"))
        ),
        "skipped",
    )
    squashed = network([9] * 3, activation="hard_sigmoid", normalization="before_activation")
    yield case("healthy", "drawn_behind_batch_norm", lambda: net(0.0, normed(squashed)), "skipped")
    copies = tuple(replace(x, initializer="constant") for x in squashed)
    yield case("sick", "constant_behind_batch_norm", lambda: net(0.0, normed(copies)), "error")
    yield case(
        "healthy",
        "branch",
        lambda: net([0.3, 0.0, 0.3], changed(network([9] * 3), "hidden_2", main_path=False)),
    )
    yield case("sick", "constant", lambda: net(0.0, constant), "error", (0, 40), None, 0.0)
    yield case(
        "sick", "one_layer", lambda: net([0.3, 0.0, 0.3], constant), "error", None, ("hidden_2",)
    )
    yield case("sick", "zeros", lambda: net(np.nan, constant, zeros), "error", None, ("hidden_2",))
    yield case("sick", "overcome", lambda: net(broken), "warning", (0, 1))
    yield case(
        "sick", "tied", lambda: net(0.3, 5, tied), "warning", (0, 40), ("hidden_2", "hidden_3")
    )
    yield case("sick", "tied_and_nothing_else", lambda: net(np.nan, 5, tied), "warning")
    yield case("borderline", "inside", lambda: net(1e-5 * 1.001))
    yield case("borderline", "outside", lambda: net(1e-5 * 0.999), "error")
    yield case("borderline", "nearly_tied", lambda: net(0.3, 3, [0.01, 0.02, 0.02 * OUTSIDE]))


def starts() -> Iterator[Case]:
    """Every case of this file."""
    for cases in (mismatch, selu, symmetric):
        yield from cases()
