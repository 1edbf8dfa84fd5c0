"""The output layer that fits the labels."""

from __future__ import annotations

from collections.abc import Callable

from gradscope.config import ExperimentConfig
from gradscope.config.output_layer import resolve_output_layer
from tests.each_case import each_case


@each_case(
    ("output", "task", "classes", "units", "activation"),
    [
        ("{}", "classification", 10, 10, "softmax"),
        ("{}", "classification", 2, 1, "sigmoid"),
        ("{units: 2}", "classification", 2, 2, "softmax"),
        ("{activation: softmax}", "classification", 2, 2, "softmax"),
        ("{activation: linear}", "classification", 2, 1, "linear"),
        ("{units: 1}", "classification", 2, 1, "sigmoid"),
        ("{units: 7, activation: sigmoid}", "classification", 3, 7, "sigmoid"),
        ("{}", "regression", None, 4, "linear"),
        ("{units: 1, activation: tanh}", "regression", None, 1, "tanh"),
    ],
)
def test_units_and_activation(
    load: Callable[..., ExperimentConfig],
    output: str,
    task: str,
    classes: int | None,
    units: int,
    activation: str,
) -> None:
    config = load(f"model: {{depth: 1, output: {output}}}")
    resolved_units, resolved = resolve_output_layer(config, task, classes, 4)
    assert (resolved_units, resolved.name) == (units, activation)
