"""The layers of the built-in network, from its config alone, without building it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.config.experiment import ExperimentConfig, HiddenLayer, InitializerSpec
from gradscope.config.output_layer import resolve_output_layer
from gradscope.record import LayerInfo, Normalization, Role, Trait, UnmeasuredReason

__all__ = ["built_in_layers"]


def built_in_layers(
    config: ExperimentConfig,
    feature_shape: Sequence[int],
    task: str,
    classes: int | None,
    targets: int = 1,
) -> tuple[LayerInfo, ...]:
    """The layer table of the built-in network: equal in every field to a survey of the model.

    `feature_shape` excludes the batch; `targets` is the number of real values per sample for
    regression.
    """
    table = _Table(config.model.batch_norm.momentum)
    features = math.prod(feature_shape)
    if len(feature_shape) > 1:
        table.unmeasured(
            "flatten", "Flatten", (Trait.UNCHANGED_VALUES,), UnmeasuredReason.UNCHANGED_VALUES
        )
    if config.model.batch_norm.input:
        table.batch_norm("input_batch_norm", features)
    fan_in = features
    for number, layer in enumerate(config.model.hidden_layers, start=1):
        _hidden(table, f"hidden_{number}", layer, fan_in)
        fan_in = layer.units
    units, activation = resolve_output_layer(config, task, classes, targets)
    kernel, zeros = config.model.output.initializer, InitializerSpec("zeros", {})
    table.dense("output", Role.OUTPUT, fan_in=fan_in, units=units, kernel=kernel, bias=zeros)
    table.rows[-1] = replace(
        table.rows[-1],
        activation=activation.name,
        activation_parameters=dict(activation.parameters),  # type: ignore[arg-type]
    )
    return tuple(table.rows)


@dataclass
class _Table:
    """Rows in the order in which the data flows; `momentum` is that of every batch norm."""

    momentum: float
    rows: list[LayerInfo] = field(default_factory=list)

    def add(self, name: str, kind: str, role: Role, **facts: Any) -> None:
        self.rows.append(LayerInfo(len(self.rows), name, kind, role, **facts))

    def unmeasured(
        self,
        name: str,
        kind: str,
        traits: tuple[Trait, ...],
        reason: UnmeasuredReason,
        **facts: Any,
    ) -> None:
        facts |= {"traits": traits, "measured": False, "reason": reason}
        self.add(name, kind, Role.STRUCTURE, **facts)

    def batch_norm(self, name: str, units: int) -> None:
        self.add(
            name,
            "BatchNormalization",
            Role.NORMALIZATION,
            traits=(Trait.NORMALIZATION, Trait.BATCH_NORM),
            units=units,
            parameters=4 * units,
            momentum=self.momentum,
        )

    def dense(
        self,
        name: str,
        role: Role,
        *,
        fan_in: int,
        units: int,
        kernel: InitializerSpec,
        bias: InitializerSpec | None,
    ) -> None:
        self.add(
            name,
            "Dense",
            role,
            traits=(Trait.FULLY_CONNECTED, Trait.LINEAR_KERNEL),
            units=units,
            fan_in=fan_in,
            fan_out=units,
            initializer=kernel.name,
            initializer_parameters=_initializer_parameters(kernel),
            use_bias=bias is not None,
            parameters=(fan_in + (bias is not None)) * units,
            bias_initializer=bias.name if bias else None,
            bias_initializer_parameters=_initializer_parameters(bias) if bias else {},
        )


def _initializer_parameters(spec: InitializerSpec) -> dict[str, Any]:
    return {key: spec.parameters[key] for key in INITIALIZERS[spec.name].parameters}


def _hidden(table: _Table, name: str, layer: HiddenLayer, fan_in: int) -> None:
    """Rows of one hidden layer: Dense, batch norm, activation and dropout."""
    position = len(table.rows)
    bias = layer.bias_initializer if layer.use_bias else None
    table.dense(
        name, Role.HIDDEN, fan_in=fan_in, units=layer.units, kernel=layer.initializer, bias=bias
    )
    table.rows[position] = replace(
        table.rows[position],
        activation=layer.activation.name,
        activation_parameters=dict(layer.activation.parameters),  # type: ignore[arg-type]
        normalization=None if layer.batch_norm == "none" else Normalization(layer.batch_norm),
        dropout=layer.dropout,
    )
    trained = ACTIVATIONS[layer.activation.name].trained_parameter is not None
    if layer.batch_norm == "before_activation":
        table.batch_norm(f"{name}_batch_norm", layer.units)
    if trained or layer.batch_norm == "before_activation":
        table.unmeasured(
            f"{name}_activation",
            "PReLU" if trained else "Activation",
            (Trait.ACTIVATION,),
            UnmeasuredReason.ACTIVATION_OF_LAYER,
            activation_of=name,
            parameters=layer.units if trained else 0,
        )
    if layer.batch_norm == "after_activation":
        table.batch_norm(f"{name}_batch_norm", layer.units)
    if layer.dropout:
        traits = (Trait.RANDOM, Trait.DROPOUT)
        table.unmeasured(f"{name}_dropout", "Dropout", traits, UnmeasuredReason.RANDOM_VALUES)
