"""Layers made with a case's settings, for every network of the wide corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from benchmarks.detectors.wide.operations import between


class Parts:
    """Makes layers as a case's settings say; `get` reads what one kind of network alone knows."""

    def __init__(self, settings: Mapping[str, Any], outputs: int) -> None:
        self.settings = settings
        self.outputs = outputs

    def get(self, key: str, default: Any) -> Any:
        """A setting, or the default of the network."""
        return self.settings.get(key, default)

    def made(self, kind: Any, *arguments: Any, activation: Any = None, **more: Any) -> Any:
        """A layer of `kind` with the start, the penalty and the bias of the case."""
        decay = self.get("l2", 0.0)
        start = self.get("initializer", None)
        more |= {} if start is None else {"kernel_initializer": initializer(start)}
        more |= {"kernel_regularizer": keras.regularizers.L2(decay)} if decay else {}
        if self.get("bias", 0.0) and activation:
            more["bias_initializer"] = keras.initializers.Constant(self.get("bias", 0.0))
        return kind(*arguments, activation=activation, **more)

    def dense(self, units: int, activation: Any = "") -> Any:
        """Dense; "" stands for the case's activation."""
        name = self.get("activation", "relu") if activation == "" else activation
        return self.made(layers.Dense, units, activation=name)

    def unit(self, x: Any, kind: Any, *arguments: Any, **more: Any) -> Any:
        """A layer of weights, then norm, activation and dropout as the case asks."""
        name = self.get("activation", "relu")
        norm = self.get("norm", "")
        x = self.made(kind, *arguments, activation=None if norm else name, **more)(x)
        if norm:
            x = layers.Activation(name)(self.norm(x))
        return layers.Dropout(self.get("dropout", 0.0))(x) if self.get("dropout", 0.0) else x

    def norm(self, x: Any) -> Any:
        """The norm that the case asks for; a layer norm where a network has one anyway."""
        if self.get("norm", "layer") == "batch":
            return layers.BatchNormalization(momentum=self.get("momentum", 0.9))(x)
        return layers.LayerNormalization()(x)

    def middle(self, x: Any) -> Any:
        """What the case puts between the body and the head."""
        return between(x, self.get("between", ""))

    def head(self, x: Any, units: int = 0) -> Any:
        """The output layer."""
        start = {"kernel_initializer": initializer(self.get("head_initializer", "glorot_uniform"))}
        layer = layers.Dense(
            units or self.get("units", self.outputs),
            activation=self.get("head", None),
            bias_initializer=keras.initializers.Constant(self.get("head_bias", 0.0)),
            dtype="float32",
            name="head",
            **start,
        )
        return layer(self.middle(x))


def initializer(spec: Any) -> Any:
    """A new initializer: by Keras's name, or [name, its arguments]."""
    if isinstance(spec, str):
        return keras.initializers.get(spec)
    name, arguments = spec
    return getattr(keras.initializers, name)(**arguments)
