"""From a config to a Keras model, its layer table and the sites where it is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from gradscope.catalog.activations import ACTIVATIONS, Activation
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.config.experiment import ActivationSpec, ExperimentConfig, HiddenLayer, InitializerSpec
from gradscope.record import LayerInfo
from gradscope.runner.seeds import derive
from gradscope.runner.taps import ActivationSite, BatchNormSite


@dataclass(frozen=True)
class Network:
    """A Keras model with its layer table and its measuring sites, in depth order.

    `initializers` maps (layer, weight name) to the initializer spec, for drawing new weights.
    """

    model: Any
    layers: tuple[LayerInfo, ...]
    activation_sites: tuple[ActivationSite, ...]
    batch_norm_sites: tuple[BatchNormSite, ...]
    initial_values: tuple[tuple[Any, str, str, InitializerSpec], ...]
    output_activation: str


def initializer(spec: InitializerSpec, seed: int) -> Any:
    """Make a fresh Keras initializer; two layers never share one."""
    entry = INITIALIZERS[spec.name]
    parameters = dict(spec.parameters) | ({"seed": seed} if entry.seeded else {})
    return getattr(keras.initializers, entry.keras_class)(**parameters)


def activation_function(spec: ActivationSpec) -> Any:
    """Give Keras's own function for a catalog activation, with its parameters filled in."""
    function = getattr(keras.activations, spec.name)
    if not spec.parameters:
        return function

    def activation(z: Any) -> Any:
        return function(z, **spec.parameters)

    activation.__name__ = spec.name
    return activation


def output_form(config: ExperimentConfig, task: str, classes: int | None, width: int) -> tuple[int, ActivationSpec]:
    """Decide the output layer's units and activation from the labels where the config says auto.

    More than two classes: softmax; two: one sigmoid unit, unless units or activation ask for a
    softmax over two; real values: linear, one unit per target.
    """
    output = config.model.output
    asked = output.activation if output.activation != "auto" else None
    if task == "regression":
        units, name = width, "linear"
    elif classes == 2 and (asked is None or asked.name != "softmax") and output.units != 2:
        units, name = 1, "sigmoid"
    else:
        units, name = int(classes or 0), "softmax"
    if output.units != "auto":
        units = int(output.units)
    return units, asked or ActivationSpec(name=name, parameters={})


class _Builder:
    """Lays Keras layers one after another and notes what each of them is."""

    def __init__(self, config: ExperimentConfig, feature_shape: tuple[int, ...]) -> None:
        self.config = config
        self.inputs = keras.Input(feature_shape, name="input")
        self.tensor: Any = self.inputs
        self.infos: list[LayerInfo] = []
        self.sites: list[ActivationSite] = []
        self.norms: list[BatchNormSite] = []
        self.initial_values: list[tuple[Any, str, str, InitializerSpec]] = []

    def add(self, layer: Any, role: str, **facts: Any) -> int:
        """Append `layer`; gives its index."""
        self.tensor = layer(self.tensor)
        index = len(self.infos)
        measured = role != "structure"
        self.infos.append(
            LayerInfo(
                index=index,
                name=layer.name,
                kind=type(layer).__name__,
                role=role,
                parameters=int(layer.count_params()),
                measured=measured,
                **facts,
            )
        )
        return index

    def batch_norm(self, name: str) -> None:
        spec = self.config.model.batch_norm
        layer = keras.layers.BatchNormalization(
            momentum=spec.momentum, epsilon=spec.epsilon, name=name
        )
        units = int(self.tensor.shape[-1])
        self.norms.append(BatchNormSite(self.add(layer, "normalization", units=units), layer))

    def dense(self, name: str, role: str, units: int, layer: HiddenLayer | None, **facts: Any) -> Any:
        """Append a Dense layer without its activation's site; gives the Keras layer."""
        config, output = self.config, self.config.model.output
        kernel = layer.initializer if layer else output.initializer
        bias = layer.bias_initializer if layer else InitializerSpec(name="zeros", parameters={})
        use_bias = layer.use_bias if layer else True
        fan_in = int(self.tensor.shape[-1])
        dense = keras.layers.Dense(
            units,
            activation=facts.pop("function"),
            use_bias=use_bias,
            kernel_initializer=initializer(kernel, derive(config.seed, name, "kernel")),
            bias_initializer=initializer(bias, derive(config.seed, name, "bias")),
            name=name,
        )
        self.add(
            dense,
            role,
            units=units,
            fan_in=fan_in,
            fan_out=units,
            initializer=kernel.name,
            initializer_parameters=dict(kernel.parameters),
            use_bias=use_bias,
            **facts,
        )
        self.initial_values.append((dense, "kernel", name, kernel))
        if use_bias:
            self.initial_values.append((dense, "bias", name, bias))
        return dense

    def hidden(self, number: int, layer: HiddenLayer) -> None:
        """Append one hidden layer: Dense, activation, and batch norm and dropout as asked."""
        name = f"hidden_{number}"
        spec, entry = layer.activation, ACTIVATIONS[layer.activation.name]
        before = layer.batch_norm == "before_activation"
        fused = not before and entry.trained_parameter is None
        index = len(self.infos)
        dense = self.dense(
            name,
            "hidden",
            layer.units,
            layer,
            function=activation_function(spec) if fused else None,
            activation=spec.name,
            activation_parameters=dict(spec.parameters),
            normalization=None if layer.batch_norm == "none" else layer.batch_norm,
            dropout=layer.dropout,
        )
        if before:
            self.batch_norm(f"{name}_batch_norm")
        speaker = dense if fused else self._activation_layer(name, spec, entry)
        self.sites.append(_site(index, dense, speaker, spec, entry))
        if layer.batch_norm == "after_activation":
            self.batch_norm(f"{name}_batch_norm")
        if layer.dropout:
            seed = derive(self.config.seed, name, "dropout")
            dropout = keras.layers.Dropout(layer.dropout, seed=seed, name=f"{name}_dropout")
            self.add(dropout, "structure", reason="passes on what it is given, with values dropped")

    def _activation_layer(self, name: str, spec: ActivationSpec, entry: Activation) -> Any:
        label = f"{name}_activation"
        if entry.trained_parameter is None:
            layer = keras.layers.Activation(activation_function(spec), name=label)
        else:
            start = InitializerSpec(
                name="constant", parameters={"value": spec.parameters[entry.trained_parameter]}
            )
            layer = keras.layers.PReLU(alpha_initializer=initializer(start, 0), name=label)
            self.initial_values.append((layer, "alpha", label, start))
        self.add(layer, "structure", reason=f"measured as the activation of {name}")
        return layer


def _site(index: int, dense: Any, speaker: Any, spec: ActivationSpec, entry: Activation) -> ActivationSite:
    trained = getattr(speaker, entry.trained_parameter) if entry.trained_parameter else None
    return ActivationSite(
        index=index,
        weights=dense,
        speaker=speaker,
        fused=trained is None,
        activation=entry if entry.hidden else None,
        parameters=dict(spec.parameters),
        trained_parameter=trained,
    )


def build(
    config: ExperimentConfig,
    feature_shape: tuple[int, ...],
    task: str,
    classes: int | None,
    targets: int = 1,
) -> Network:
    """Build the network that `config` describes for data of this shape.

    `feature_shape` excludes the batch; images are flattened. `targets` is the number of real
    values per sample for regression.
    """
    builder = _Builder(config, feature_shape)
    if len(feature_shape) > 1:
        flatten = keras.layers.Flatten(name="flatten")
        builder.add(flatten, "structure", reason="reshapes only: the values pass unchanged")
    if config.model.batch_norm.input:
        builder.batch_norm("input_batch_norm")
    for number, layer in enumerate(config.model.hidden_layers, start=1):
        builder.hidden(number, layer)
    units, spec = output_form(config, task, classes, targets)
    index = len(builder.infos)
    dense = builder.dense(
        "output",
        "output",
        units,
        None,
        function=activation_function(spec),
        activation=spec.name,
        activation_parameters=dict(spec.parameters),
    )
    builder.sites.append(_site(index, dense, dense, spec, ACTIVATIONS[spec.name]))
    return Network(
        model=keras.Model(builder.inputs, builder.tensor, name=_keras_name(config.name)),
        layers=tuple(builder.infos),
        activation_sites=tuple(builder.sites),
        batch_norm_sites=tuple(builder.norms),
        initial_values=tuple(builder.initial_values),
        output_activation=spec.name,
    )


def _keras_name(name: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name)
