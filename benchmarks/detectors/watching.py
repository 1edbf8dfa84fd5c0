"""What the other tools' rules look at, taken from a plain Keras training as it runs.

Their rules need mean absolute values, percentiles and shares of single tensors, which gradscope's
record does not keep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.detectors.figures import of_activation, of_gradient, of_weight, share, update

Array = npt.NDArray[Any]
LOOKS = 20
"""Looks per training, evenly spaced: each stands for an epoch where a rule speaks of epochs."""

JUDGED = 300
"""Training samples on which the accuracy at a look is counted."""


class Watch:
    """Looks at a model in training; `looks` holds one mapping of plain numbers for each look."""

    def __init__(self, steps: int, x: Array, targets: Array, rate: float) -> None:
        self.every = max(1, steps // LOOKS)
        self.sample = (x[:JUDGED], targets[:JUDGED])
        self.rate = rate
        self.looks: list[dict[str, Any]] = []
        self._before: list[Array] | None = None
        self._last: list[Array] | None = None
        self._layers: list[tuple[Any, str, Callable[[Any], Any]]] | None = None

    def __call__(self, model: Any, x: Array, y: Array, step: int, loss: float) -> None:
        """See one batch before it is trained on, and the loss of the one before."""
        weights = model.trainable_variables
        if self._before is not None:
            now = [np.asarray(w) for w in weights]
            pairs = zip(self._before, now, strict=True)
            self.looks[-1]["updates"] = [update(old, new) for old, new in pairs]
            self._before = None
        if step % self.every:
            return
        held = [(v, np.asarray(v)) for v in model.non_trainable_variables]
        look = self._look(model, x, y) | {"step": step, "rate": self.rate}
        for variable, value in held:
            variable.assign(value)
        self._before = [np.asarray(w) for w in weights]
        look["unchanged"] = (
            [bool(np.allclose(a, b)) for a, b in zip(self._last, self._before, strict=True)]
            if self._last is not None
            else []
        )
        self._last = self._before
        self.looks.append(look)

    def _look(self, model: Any, x: Array, y: Array) -> dict[str, Any]:
        weights = model.trainable_variables
        with tf.GradientTape() as tape:
            answer = model(x, training=True)
            loss = model.compute_loss(x=x, y=tf.convert_to_tensor(y), y_pred=answer, training=True)
        gradients = tape.gradient(loss, [w.value for w in weights])
        arrays = [
            np.zeros(w.shape, np.float32) if g is None else np.asarray(tf.convert_to_tensor(g))
            for g, w in zip(gradients, weights, strict=True)
        ]
        kernels = [len(w.shape) > 1 for w in weights]
        judged = np.asarray(model(self.sample[0], training=False))
        return {
            "loss": float(loss),
            "accuracy": _accuracy(judged, self.sample[1]),
            "kernels": kernels,
            "gradients": [of_gradient(g) for g in arrays],
            "weights": [of_weight(np.asarray(w)) for w in weights],
            "activations": self._activations(model, x),
            "output": share(np.asarray(answer), y),
        }

    def _activations(self, model: Any, x: Array) -> list[dict[str, Any]]:
        if self._layers is None:
            self._layers = list(_activated(model))
            self._inputs = keras.Model(model.inputs, [_input(layer) for layer, *_ in self._layers])
        inputs = self._inputs([x], training=False)
        inputs = inputs if isinstance(inputs, list) else [inputs]
        figures = []
        for (layer, name, apply), fed in zip(self._layers, inputs, strict=True):
            z = _linear(layer, fed)
            a = np.asarray(layer(fed) if z is None else apply(z))
            role = "output" if layer is self._layers[-1][0] else "hidden"
            figures.append(
                of_activation(name, None if z is None else np.asarray(z), a) | {"role": role}
            )
        return figures


def _input(layer: Any) -> Any:
    """What flows into a layer, without the mask beside it."""
    return layer.input[0] if isinstance(layer.input, list) else layer.input


def _activated(model: Any) -> Any:
    """Layers that end in an activation: layer, the activation's name, and the activation."""
    inside = (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN)
    for layer in model.layers:
        if isinstance(layer, inside):
            yield layer, "tanh", None
        elif isinstance(layer, keras.layers.ReLU):
            yield layer, "relu", tf.nn.relu
        elif isinstance(layer, keras.layers.PReLU):
            yield layer, "prelu", lambda z: z
        elif callable(getattr(layer, "activation", None)):
            yield layer, getattr(layer.activation, "__name__", ""), layer.activation


def _linear(layer: Any, fed: Any) -> Any:
    """What the layer's activation receives; None where it acts inside a loop."""
    if isinstance(layer, keras.layers.Activation | keras.layers.ReLU | keras.layers.PReLU):
        return fed
    if isinstance(layer, keras.layers.RNN):
        return None
    activation, layer.activation = layer.activation, keras.activations.linear
    try:
        return layer(fed)
    finally:
        layer.activation = activation


def _accuracy(answer: Array, targets: Array) -> float:
    if targets.dtype.kind == "f" and answer.shape[-1] == 1:
        if set(np.unique(targets)) - {0.0, 1.0}:
            return float("nan")
        return float(
            np.mean((answer[:, 0] > 0.5) == (targets.reshape(len(answer), -1)[:, 0] > 0.5))
        )
    if targets.dtype.kind == "f":
        if targets.shape != answer.shape or not np.all(targets.sum(-1) == 1.0):
            return float("nan")
        targets = targets.argmax(-1)
    return float(np.mean(answer.argmax(-1) == targets.reshape(-1)))
