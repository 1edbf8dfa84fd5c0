"""The same case trained by Keras alone: no line of gradscope's builds, trains or judges it.

Only the arrays come from gradscope's data sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from benchmarks.detectors import compiled_networks, data, networks
from benchmarks.detectors.case import Case
from gradscope.datasets import loading

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Trained:
    """What a plain training reached on the test part, in inference mode.

    `skill` is 1 for a perfect answer and 0 for a constant one: balanced accuracy above chance, or
    the explained share of the targets' variance. 0 where the answer is not finite.
    """

    skill: float
    loss: float


def merged(section: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`section` with `change` laid over it, mappings in mappings too."""
    result = dict(section)
    for key, value in change.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            same = old.get("name") == value.get("name", old.get("name"))
            result[key] = merged(old, value) if same else value
        else:
            result[key] = value
    return result


def arrays(section: Mapping[str, Any]) -> data.Parts:
    """Training and test arrays of a case's data section."""
    if "made" in section:
        return data.MADE[section["made"]](**section.get("arguments", {}))
    own = {k: v for k, v in section.items() if k not in ("name", "scaling")}
    samples = loading.load(section["name"], own, section.get("scaling", "standardize"), 32)
    return (samples.x, samples.y), (samples.x_test, samples.y_test)


def _initializer(spec: Any, seed: int) -> Any:
    spec = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = "".join(part.capitalize() for part in spec.pop("name").split("_"))
    made = getattr(keras.initializers, name)
    try:
        return made(seed=seed, **spec)
    except TypeError:
        return made(**spec)


def network(model: Mapping[str, Any], shape: tuple[int, ...], outputs: int, seed: int) -> Any:
    """The Keras model that a config's model section describes."""
    layers = keras.layers
    hidden = model.get("layers")
    if hidden is None:
        widths = model.get("hidden") or [model.get("width", 100)] * model["depth"]
        hidden = [{"units": units} for units in widths]
    norm = model.get("batch_norm", "none")
    norm = {"placement": norm} if isinstance(norm, str) else norm
    place, momentum = norm["placement"], norm.get("momentum", 0.99)
    x = inputs = keras.Input(shape)
    x = layers.Flatten()(x) if len(shape) > 1 else x
    x = layers.BatchNormalization(momentum=momentum)(x) if norm.get("input") else x
    for number, own in enumerate(hidden):
        asked = {**model, **own}
        name = asked.get("activation", "relu")
        activation = layers.PReLU() if name == "prelu" else layers.Activation(name)
        x = layers.Dense(
            own["units"],
            use_bias=asked.get("use_bias", True),
            kernel_initializer=_initializer(
                asked.get("initializer", "he_normal"), 1000 * seed + number
            ),
            bias_initializer=_initializer(asked.get("bias_initializer", "zeros"), seed + number),
        )(x)
        x = layers.BatchNormalization(momentum=momentum)(x) if place == "before_activation" else x
        x = activation(x)
        x = layers.BatchNormalization(momentum=momentum)(x) if place == "after_activation" else x
        x = layers.Dropout(asked["dropout"])(x) if asked.get("dropout") else x
    out = model.get("output", {})
    units = out.get("units", outputs)
    start = _initializer(out.get("initializer", "glorot_uniform"), seed)
    x = layers.Dense(units, out.get("activation", "auto"), kernel_initializer=start)(x)
    return keras.Model(inputs, x)


def user_network(case: Case) -> Any:
    """The network that a case makes by a function of its own."""
    home = networks if hasattr(networks, case.own) else compiled_networks
    return getattr(home, case.own)(**case.arguments)


def loss_name(training: Mapping[str, Any], activation: str, y: Array) -> str:
    """Keras's name of the loss, by the labels and the output where the case does not say."""
    if training.get("loss", "auto") != "auto":
        return str(training["loss"])
    if y.dtype.kind == "f":
        return "mean_squared_error"
    return "binary_crossentropy" if activation == "sigmoid" else "sparse_categorical_crossentropy"


def build(case: Case, parts: data.Parts) -> tuple[Any, Array, Callable[[Array], Array]]:
    """A compiled model of `case`, the training targets in its loss's form, and that form."""
    (x, y), _ = parts
    seed = case.settled_seed()
    keras.utils.set_random_seed(seed)
    classes = int(y.max()) + 1 if y.dtype.kind in "iu" else 0
    if case.own:
        model = user_network(case)
        activation = str(getattr(model.layers[-1].activation, "__name__", ""))
    else:
        section = dict(case.model)
        out = dict(section.get("output", {}))
        if out.get("activation", "auto") == "auto":
            out["activation"] = "softmax" if classes else "linear"
        activation = out["activation"]
        width = classes or y.shape[1]
        model = network(section | {"output": out}, x.shape[1:], width, seed)
    if not getattr(model, "compiled", False):
        spec = dict(case.training["optimizer"])
        optimizer = keras.optimizers.get({"class_name": spec.pop("name"), "config": spec})
        loss = loss_name(case.training, activation, y)
        model.compile(optimizer=optimizer, loss=loss)
    units = int(model.output_shape[-1])
    name = model.loss if isinstance(model.loss, str) else "sparse"

    def formed(labels: Array) -> Array:
        if labels.dtype.kind == "f":
            return labels
        if units == 1:
            return labels.reshape(-1, 1).astype("float32")
        return labels if name.startswith("sparse") else np.eye(units, dtype="float32")[labels]

    return model, formed(y), formed


def train(
    case: Case,
    parts: data.Parts,
    watch: Callable[[Any, Array, Array, int, float], None] | None = None,
) -> Trained:
    """Train `case` for its steps; `watch` sees each step's batch and loss."""
    model, targets, _ = build(case, parts)
    x = parts[0][0]
    rng = np.random.default_rng(case.settled_seed())
    batch, steps = case.training.get("batch_size", 32), case.training["steps"]
    order: list[int] = []
    loss = float("nan")
    for step in range(steps):
        if len(order) < batch:
            order = list(rng.permutation(len(x)))
        rows, order = np.array(order[:batch]), order[batch:]
        if watch is not None:
            watch(model, x[rows], targets[rows], step, loss)
        model.reset_metrics()
        loss = float(model.train_on_batch(x[rows], targets[rows]))
    return Trained(skill(model, parts[1]), loss)


def skill(model: Any, test: tuple[Array, Array]) -> float:
    """How far above a constant answer the model is on the test part."""
    x, y = test
    answer = np.asarray(model.predict(x, batch_size=500, verbose=0), np.float64)
    if not np.isfinite(answer).all():
        return 0.0
    if y.dtype.kind in "iu":
        single = answer.shape[-1] == 1
        guess = (answer[:, 0] > 0.5).astype(int) if single else answer.argmax(-1)
        classes = np.unique(y)
        right = float(np.mean([np.mean(guess[y == label] == label) for label in classes]))
        return max(0.0, (right - 1.0 / len(classes)) / (1.0 - 1.0 / len(classes)))
    if np.array_equal(np.unique(y), [0.0, 1.0]) or np.array_equal(np.unique(y), [-1.0, 1.0]):
        middle = y.min() / 2.0 + y.max() / 2.0
        return max(0.0, 2.0 * float(np.mean((answer > middle) == (y > middle))) - 1.0)
    return max(0.0, 1.0 - float(np.mean((answer - y) ** 2) / np.mean((y - y.mean(0)) ** 2)))
