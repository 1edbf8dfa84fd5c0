"""The detector that compares the output layer with loss, labels and targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradscope.record import (
    ObjectiveInfo,
    ObjectiveStart,
    RunRecord,
    TargetDependence,
    TargetSummary,
    Trait,
)
from tests.analyzer.detectors.case import Case
from tests.analyzer.synthetic import CONFIG, DATA, USERS, changed, network, record
from tests.layers import layer_row


def outputs() -> Iterator[Case]:
    """Every case of this file."""
    yield from output()
    yield from told_output()
    yield from rescaled()


def output() -> Iterator[Case]:
    case = partial(Case, "output_mismatch")

    def net(
        activation: str, units: int, loss: str = "auto", source: bool = False, **data: Any
    ) -> RunRecord:
        layers = changed(network([9, 9]), "output", activation=activation, units=units)
        training = {**CONFIG["training"], "loss": loss}  # type: ignore[dict-item]
        config = USERS if source else CONFIG
        return record(layers, data=replace(DATA, **data), config={**config, "training": training})

    sparse, binary = "sparse_categorical_crossentropy", "binary_crossentropy"
    headless = tuple(replace(x, role="hidden") for x in network([9, 9]))
    real = {"task": "regression", "classes": None}
    own = {"task": "own", "classes": None}
    two = {"classes": 2}
    yield case("healthy", "no_output_layer", lambda: record(headless), "skipped")
    for kind, name, given, data, severity in (
        ("healthy", "softmax", ("softmax", 10), {}, ""),
        ("healthy", "softmax_of_two", ("softmax", 2), two, ""),
        ("healthy", "sigmoid_of_one", ("sigmoid", 1), two, ""),
        ("healthy", "real_values", ("linear", 1), real, ""),
        ("healthy", "linear_on_squares", ("linear", 10, "mean_squared_error"), {}, ""),
        ("healthy", "logits_compiled_in", ("linear", 10), own | {"source": True}, ""),
        ("sick", "softmax_of_one", ("softmax", 1, binary), two, "error"),
        ("sick", "softmax_of_one_own", ("softmax", 1), own, "error"),
        ("sick", "too_few_units", ("softmax", 9), {}, "error"),
        ("sick", "one_sigmoid_for_ten", ("sigmoid", 1, binary), {}, "error"),
        ("sick", "logits", ("linear", 10, sparse), {}, "error"),
        ("sick", "tanh", ("tanh", 1, binary), two, "error"),
        ("sick", "softmax_for_real_values", ("softmax", 3), real, "error"),
        ("sick", "sigmoids_as_distribution", ("sigmoid", 10, sparse), {}, "warning"),
        ("sick", "softmax_unit_by_unit", ("softmax", 10, binary), {}, "warning"),
        ("borderline", "as_many", ("softmax", 10), {}, ""),
        ("borderline", "one_spare", ("softmax", 11), {}, "warning"),
    ):
        made = partial(net, *given, **data)  # type: ignore[arg-type]
        yield case(kind, name, made, severity, (0, 40) if severity else None)
    yield case(
        "borderline", "spare_allowed", lambda: net("softmax", 11), thresholds={"max_spare_units": 1}
    )


def rescaled() -> Iterator[Case]:
    """Answers in other units than those of the output layer, and indices at each position."""
    case = partial(Case, "output_mismatch")
    far = TargetSummary("real", 1, 5.0, 45.0, 25.0, 200.0)

    def net(kind: str, *traits: Trait) -> RunRecord:
        layers = changed(network([9, 9]), "output", activation="sigmoid", units=1)
        after = layer_row(len(layers), "after", kind, "structure", traits=traits)
        data = replace(DATA, task="own", classes=None, targets=far)
        facts = ObjectiveInfo("mean_squared_error")
        return record((*layers, after), data=data, config=USERS, objective=facts, loss=250.0)

    yield case("healthy", "rescaled_answers", lambda: net("InMetres", Trait.RESCALING))
    yield case("sick", "reshaped_answers", lambda: net("Reshape"), "error")
    places = TargetSummary("real", 6, 0.0, 2.0, 1.0, 0.7)

    def sequence(shape: tuple[int, ...], units: int = 3) -> RunRecord:
        layers = changed(network([9, 9]), "output", activation="softmax", units=units)
        data = replace(DATA, task="own", classes=None, targets=places)
        start = ObjectiveStart(TargetDependence(1.0, 1.0, 1.0, shape, (32, 6, units)))
        more = {"objective": ObjectiveInfo(""), "objective_start": start, "config": USERS}
        return record(layers, data=data, **more)

    yield case("healthy", "indices_of_a_sequence", lambda: sequence((32, 6)))
    yield case("sick", "values_of_a_sequence", lambda: sequence((32, 6, 3)), "error")
    yield case("borderline", "an_index_too_many", lambda: sequence((32, 6), 2), "error")


def told_output() -> Iterator[Case]:
    """Where the record knows loss and targets, as of a model of the user's own."""
    case = partial(Case, "output_mismatch")
    sparse, binary = "sparse_categorical_crossentropy", "binary_crossentropy"
    own = {"task": "own", "classes": None}
    index = TargetSummary("indices", 1, 0.0, 9.0, 4.5, 8.25, (0.1,) * 10)
    signs = TargetSummary("real", 1, -1.0, 1.0, 0.0, 1.0)

    def told(
        activation: str, name: str, targets: TargetSummary, units: int = 1, **more: Any
    ) -> RunRecord:
        layers = changed(network([9, 9]), "output", activation=activation, units=units)
        data = replace(DATA, **own, targets=targets)
        facts = ObjectiveInfo(name, more.pop("from_logits", False))
        return record(layers, data=data, config=USERS, objective=facts, **more)

    def spread(mean: float, deviation: float) -> TargetSummary:
        return TargetSummary("real", 1, mean - 9.0, mean + 9.0, mean, deviation**2)

    positions = TargetSummary("real", 12, 0.0, 499.0, 250.0, 2e4)
    floats = TargetSummary("real", 1, 0.0, 4.0, 2.0, 2.0)
    squares, falls = "mean_squared_error", np.geomspace(2.3, 0.1, 41)
    cosine = "cosine_similarity"
    sinks, zero = np.linspace(0.3, -1e5, 41), {"loss": 0.0}
    for kind, name, given, more, severity in (
        ("healthy", "logits_said", ("linear", sparse, index, 10), {"from_logits": True}, ""),
        ("healthy", "own_loss", ("linear", "", index, 10), {}, ""),
        ("healthy", "classes_of_positions", ("softmax", sparse, positions, 500), {}, ""),
        ("healthy", "classes_as_floats", ("softmax", sparse, floats, 5), {}, ""),
        ("healthy", "tanh_reaches", ("tanh", squares, spread(0.0, 1.0)), {}, ""),
        ("healthy", "relu_for_counts", ("relu", squares, spread(3.0, 3.0)), {}, ""),
        ("healthy", "linear_reaches_all", ("linear", squares, spread(1e4, 1.0)), {}, ""),
        (
            "healthy",
            "categorical_of_ten",
            ("softmax", "categorical_crossentropy", index, 10),
            {},
            "",
        ),
        (
            "sick",
            "categorical_of_one",
            ("sigmoid", "categorical_crossentropy", index),
            zero,
            "error",
        ),
        ("sick", "one_and_two", ("sigmoid", binary, spread(1.5, 0.5)), {"loss": sinks}, "error"),
        (
            "healthy",
            "cosine_of_three",
            ("linear", cosine, spread(0.0, 1.0), 3),
            {},
            "",
        ),
        ("sick", "cosine_of_one", ("linear", cosine, spread(0.0, 1.0)), {}, "error"),
        ("sick", "logits_own", ("linear", sparse, index, 10), {}, "error"),
        ("sick", "logits_learn", ("linear", sparse, index, 10), {"loss": falls}, "warning"),
        (
            "sick",
            "logits_right_at_times",
            ("linear", sparse, index, 10),
            {"accuracy": 0.6},
            "error",
        ),
        ("sick", "softmax_of_one_learns", ("softmax", binary, index), {"loss": falls}, "error"),
        ("sick", "one_sigmoid_for_ten_own", ("sigmoid", binary, index), {}, "error"),
        ("sick", "signs_for_binary", ("sigmoid", binary, signs), {}, "error"),
        (
            "sick",
            "sigmoid_cannot_reach",
            ("sigmoid", squares, spread(5.0, 3.0)),
            {"loss": 9.0},
            "error",
        ),
        ("sick", "sigmoid_standardized", ("sigmoid", squares, spread(0.0, 1.0)), {}, "error"),
        ("sick", "relu_for_negative", ("relu", squares, spread(-5.0, 1.0)), {}, "error"),
        # From mean - 1 to mean + 1 the ReLU reaches (mean + 1) / 2.
        ("borderline", "reach_inside", ("relu", squares, spread(0.2 + 1e-9, 1.0)), {}, ""),
        ("borderline", "reach_outside", ("relu", squares, spread(0.2 - 1e-9, 1.0)), {}, "error"),
    ):
        yield case(kind, name, partial(told, *given, **more), severity)  # type: ignore[arg-type]
