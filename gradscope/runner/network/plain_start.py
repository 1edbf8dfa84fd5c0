"""Recognise untrained plain models of the user, to which theory's bands apply."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record.objective.objective_info import class_labels
from gradscope.record.sample_geometry import SampleGeometry, sample_geometry
from gradscope.runner.sources.arrays import ArrayBatches
from gradscope.runner.survey import layer_weights

_PLAIN = (
    keras.layers.Flatten,
    keras.layers.Dense,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Softmax,
)
_DEVIATIONS = 6.0


def plain_model_geometry(model: Any, feed: Any, batch_norm_epsilon: float) -> SampleGeometry | None:
    """How the samples differ at the input of the first Dense layer; None where that is not known.

    It is known for a `Sequential` model of dense layers on one array of floats, with weights as
    their initializers draw them, and on samples of equal weight. A batch norm may precede the first
    Dense layer; all batch norms have `batch_norm_epsilon`.
    """
    if type(model) is not keras.Sequential or not isinstance(feed, ArrayBatches):
        return None
    if any(type(layer) not in _PLAIN or not layer.trainable for layer in model.layers):
        return None
    norms = [layer for layer in model.layers if type(layer) is keras.layers.BatchNormalization]
    x, y = feed.x, feed.y
    arrays = isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.dtype.kind == "f"
    before = _before_the_first_dense(model, x.ndim) if arrays else None
    if before is None or any(norm.epsilon != batch_norm_epsilon for norm in norms):
        return None
    if feed.weights is not None or not all(map(_as_drawn, model.layers)):
        return None
    labels, classes = class_labels(y) or (y, None)
    normed = keras.layers.BatchNormalization in before
    return sample_geometry(
        x,
        labels,
        classes=classes,
        batch_size=feed.batch_size,
        batch_norm_epsilon=batch_norm_epsilon if normed else None,
    )


def _before_the_first_dense(model: Any, rank: int) -> list[type] | None:
    """The classes of the layers before it: at most a Flatten, then at most a batch norm.

    None where there are others, or samples of more than one axis and no Flatten.
    """
    kinds_of = [type(layer) for layer in model.layers]
    if keras.layers.Dense not in kinds_of:
        return None
    before = kinds_of[: kinds_of.index(keras.layers.Dense)]
    flat = rank == 2 or keras.layers.Flatten in before[:1]
    behind = [kind for kind in before if kind is not keras.layers.Flatten]
    return before if flat and behind in ([], [keras.layers.BatchNormalization]) else None


def _as_drawn(layer: Any) -> bool:
    """Whether a layer's weights can be those that it was built with.

    A kernel's mean square lies within six standard errors of its initializer's, sqrt(2 / n) for a
    normal distribution and less for others; a constant start is unchanged.
    """
    if type(layer) is keras.layers.BatchNormalization:
        starts = ((layer.gamma, 1.0), (layer.beta, 0.0))
        return all(w is None or bool(np.all(np.asarray(w) == start)) for w, start in starts)
    if type(layer) is not keras.layers.Dense:
        return True
    name, parameters = layer_weights.initializer_of(layer)
    kernel = np.asarray(layer.kernel, np.float64)
    entry = INITIALIZERS.get(str(name))
    if entry is None:
        return False
    mean = entry.mean(*kernel.shape, **parameters)
    square = entry.variance(*kernel.shape, **parameters) + mean**2
    error = _DEVIATIONS * math.sqrt(2.0 / kernel.size)
    near = abs(float(np.mean(kernel**2)) - square) <= error * square
    bias, _ = layer_weights.bias_initializer_of(layer)
    return near and (bias != "zeros" or not np.any(np.asarray(layer.bias)))
