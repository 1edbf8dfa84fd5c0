"""From a config to a Keras model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.config.experiment import (
    ActivationSpec,
    ExperimentConfig,
    HiddenLayer,
    InitializerSpec,
)
from gradscope.config.output_layer import resolve_output_layer
from gradscope.runner.runtime.seeds import derive


@dataclass(frozen=True)
class Weight:
    """A weight whose initial value comes from the config.

    `owner` and `attribute` name it in the derivation of its seed.
    """

    layer: Any
    attribute: str
    owner: str
    initializer: InitializerSpec

    @property
    def variable(self) -> Any:
        """Keras's variable."""
        return getattr(self.layer, self.attribute)

    @property
    def seeded(self) -> bool:
        """Whether the initial value differs between seeds."""
        return INITIALIZERS[self.initializer.name].seeded

    def values(self, seed: int) -> Any:
        """The Keras initializer that makes its initial value under `seed`."""
        return initializer(self.initializer, derive(seed, self.owner, self.attribute))

    def draw(self, seed: int) -> None:
        """Give the weight the initial value that it has under `seed`."""
        self.variable.value.assign(self.values(seed)(self.variable.shape))


@dataclass(frozen=True)
class Built:
    """A Keras model with its weights that a seed decides."""

    model: Any
    weights: tuple[Weight, ...]


def initializer(spec: InitializerSpec, seed: int) -> Any:
    """Make a fresh Keras initializer; two layers never share one."""
    entry = INITIALIZERS[spec.name]
    parameters = dict(spec.parameters) | ({"seed": seed} if entry.seeded else {})
    return getattr(keras.initializers, entry.keras_class)(**parameters)


def activation_function(spec: ActivationSpec) -> Any:
    """Keras's function for a catalog activation, with its parameters filled in."""
    function = getattr(keras.activations, spec.name)
    if not spec.parameters:
        return function

    def activation(z: Any) -> Any:
        return function(z, **spec.parameters)

    activation.__name__ = spec.name
    activation.gradscope_parameters = dict(spec.parameters)  # type: ignore[attr-defined]
    return activation


class _Builder:
    """Appends Keras layers one after another."""

    def __init__(self, config: ExperimentConfig, feature_shape: tuple[int, ...]) -> None:
        self.config = config
        self.inputs = keras.Input(feature_shape, name="input")
        self.tensor: Any = self.inputs
        self.weights: list[Weight] = []

    def batch_norm(self, name: str) -> None:
        spec = self.config.model.batch_norm
        layer = keras.layers.BatchNormalization(
            momentum=spec.momentum, epsilon=spec.epsilon, name=name
        )
        self.tensor = layer(self.tensor)

    def dense(
        self, name: str, units: int, function: Any, kernel: InitializerSpec, bias: Any
    ) -> None:
        """Append a Dense layer; `bias` is its initializer, or None for no bias."""
        seed = self.config.seed
        dense = keras.layers.Dense(
            units,
            activation=function,
            use_bias=bias is not None,
            kernel_initializer=initializer(kernel, derive(seed, name, "kernel")),
            bias_initializer=initializer(bias, derive(seed, name, "bias")) if bias else "zeros",
            name=name,
        )
        self.tensor = dense(self.tensor)
        self.weights.append(Weight(dense, "kernel", name, kernel))
        if bias is not None:
            self.weights.append(Weight(dense, "bias", name, bias))

    def hidden(self, number: int, layer: HiddenLayer) -> None:
        """Append one hidden layer: Dense and activation, batch norm and dropout if configured."""
        name, spec = f"hidden_{number}", layer.activation
        before = layer.batch_norm == "before_activation"
        fused = not before and ACTIVATIONS[spec.name].trained_parameter is None
        bias = layer.bias_initializer if layer.use_bias else None
        function = activation_function(spec) if fused else None
        self.dense(name, layer.units, function, layer.initializer, bias)
        if before:
            self.batch_norm(f"{name}_batch_norm")
        if not fused:
            self._activation_layer(f"{name}_activation", spec)
        if layer.batch_norm == "after_activation":
            self.batch_norm(f"{name}_batch_norm")
        if layer.dropout:
            seed = derive(self.config.seed, f"{name}_dropout", "dropout")
            dropout = keras.layers.Dropout(layer.dropout, seed=seed, name=f"{name}_dropout")
            self.tensor = dropout(self.tensor)

    def _activation_layer(self, name: str, spec: ActivationSpec) -> None:
        trained = ACTIVATIONS[spec.name].trained_parameter
        if trained is None:
            self.tensor = keras.layers.Activation(activation_function(spec), name=name)(self.tensor)
            return
        start = InitializerSpec("constant", {"value": spec.parameters[trained]})
        layer = keras.layers.PReLU(alpha_initializer=initializer(start, 0), name=name)
        layer.gradscope_parameters = dict(spec.parameters)
        self.tensor = layer(self.tensor)
        self.weights.append(Weight(layer, trained, name, start))


def build(
    config: ExperimentConfig,
    feature_shape: tuple[int, ...],
    task: str,
    classes: int | None,
    targets: int = 1,
) -> Built:
    """Build the network that `config` describes for data of this shape.

    `feature_shape` excludes the batch; images are flattened. `targets` is the number of real
    values per sample for regression.
    """
    builder = _Builder(config, feature_shape)
    if len(feature_shape) > 1:
        builder.tensor = keras.layers.Flatten(name="flatten")(builder.tensor)
    if config.model.batch_norm.input:
        builder.batch_norm("input_batch_norm")
    for number, layer in enumerate(config.model.hidden_layers, start=1):
        builder.hidden(number, layer)
    units, spec = resolve_output_layer(config, task, classes, targets)
    zeros = InitializerSpec("zeros", {})
    kernel = config.model.output.initializer
    builder.dense("output", units, activation_function(spec), kernel, zeros)
    model = keras.Model(builder.inputs, builder.tensor, name=_keras_name(config.name))
    return Built(model, tuple(builder.weights))


def _keras_name(name: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name)
