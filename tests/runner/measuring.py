"""One measured step of a small Keras model, and how it is held against an oracle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradscope.record import STATISTICS, LayerInfo
from tests.oracle import complex_step
from tests.oracle.complex_step import Network

NAMES = list(STATISTICS)
RATE = 0.25
BATCH = 3


SWITCHED_ON = {"example_gradient_square", "gradient_noise_scale"}
"""Statistics that are measured on request only (tests/runner/test_example_gradients.py)."""


@dataclass(frozen=True)
class Measured:
    """What one step told: figures by layer and statistic, delta over time by layer, the loss."""

    layers: tuple[LayerInfo, ...]
    figures: dict[str, dict[str, float]]
    times: dict[str, np.ndarray]
    loss: float
    environment_dtype: str = ""

    def layer(self, name: str) -> LayerInfo:
        return next(layer for layer in self.layers if layer.name == name)


def stirred(model: Any, seed: int = 1) -> Any:
    """Move every weight off the special values that layers start from."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        name = weight.path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance", "scale"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif "float" in str(weight.dtype):
            spread = 0.3 if "bias" in name or len(weight.shape) < 2 else 0.6
            weight.assign(random.normal(0, spread, weight.shape))
    return model


def inputs(*shape: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(BATCH, *shape)).astype(np.float32)


def targets(model: Any, x: Any, seed: int = 3) -> Any:
    random = np.random.default_rng(seed)
    outputs = model(x, training=False)
    drawn = [random.normal(size=o.shape).astype(np.float32) for o in _listed(outputs)]
    return drawn if isinstance(outputs, (list, tuple)) else drawn[0]


def step(
    model: Any,
    x: Any,
    y: Any,
    *,
    optimizer: Any = None,
    factor: float = 1.0,
    loss: Callable[[Any, Any], Any] | None = None,
    jit: bool = False,
) -> Measured:
    """Survey the model, then measure one traced step of SGD on the mean squared error."""
    import keras
    import tensorflow as tf

    from gradscope.runner.loop import probe
    from gradscope.runner.runtime.device import dtype_of
    from gradscope.runner.step import measured_step

    objective = _objective(factor, loss)
    optimizer = optimizer or keras.optimizers.SGD(RATE / factor)
    optimizer.build(model.trainable_variables)
    sites = measured_step.survey_model(model, x)
    looked = probe.Probe(model, sites, objective, optimizer).look([((x, y), BATCH)], backward=False)
    measured = measured_step.measured_step(
        model, sites, objective, optimizer, measured_step.MeasurementOptions(jit)
    )
    traced = tf.function(measured, autograph=False, jit_compile=jit)
    rows, scalars, _ = traced((x, y), tf.constant(False))
    rows, scalars = rows.numpy(), scalars.numpy()
    rows[NAMES.index("dead_fraction")] = looked.dead
    times, start = {}, 3
    for layer in sites.layers:
        if layer.time_steps:
            times[layer.name] = scalars[start : start + layer.time_steps]
            start += layer.time_steps
    assert start == len(scalars)
    return Measured(
        sites.layers,
        {info.name: dict(zip(NAMES, rows[:, info.index], strict=True)) for info in sites.layers},
        times,
        float(scalars[0]),
        dtype_of(model),
    )


def _objective(factor: float, loss: Callable[[Any, Any], Any] | None) -> Any:
    """The mean squared error times `factor`, or `loss`."""
    import tensorflow as tf

    from gradscope.runner.objective.objective import Objective

    def total(model: Any, x: Any, y: Any, outputs: Any, weights: Any) -> Any:
        if loss is not None:
            return loss(y, outputs)
        pairs = zip(_listed(y), _listed(outputs), strict=True)
        squares = [tf.reduce_mean(tf.square(o - tf.cast(t, o.dtype))) for t, o in pairs]
        return tf.add_n([*squares, *model.losses]) * factor

    return Objective(
        loss_name="",
        prepare=lambda y: y,
        loss=total,
        accuracy=lambda y, outputs: tf.constant(0.0, tf.float64),
        data_loss=lambda model, y, outputs, weights: total(model, None, y, outputs, weights),
    )


@dataclass(frozen=True)
class Case:
    """A Keras model and the same network in numpy; `silent` are the rows that have a reason.

    `frozen` are paths of weights that are not trained. In the rows of `cancelling` delta is zero in
    places where float32 keeps the rounding of terms that cancel.
    """

    build: Callable[[], Any]
    network: Network
    x: Any
    silent: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    cancelling: tuple[str, ...] = ()


def compare(case: Case, relative: float = 1e-5) -> tuple[Measured, complex_step.Result]:
    """Measure a step and hold every statistic of every row against the complex step's."""
    model = stirred(case.build())
    y = targets(model, case.x)
    weights = {w.path: np.asarray(w.numpy(), np.float64) for w in model.weights}
    wide = [
        np.asarray(part, np.float64 if part.dtype.kind == "f" else part.dtype)
        for part in _listed(case.x)
    ]
    result = complex_step.differentiate(
        case.network, weights, wide if isinstance(case.x, list) else wide[0], y
    )
    measured = step(model, case.x, y)
    assert abs(measured.loss - result.loss) <= relative * abs(result.loss)
    told = [info.name for info in measured.layers if info.measured]
    norms = [name for name in told if measured.layer(name).kind == "BatchNormalization"]
    assert [name for name in told if name not in norms] == list(result.rows)
    assert tuple(i.name for i in measured.layers if not i.measured) == case.silent
    for name in result.rows:
        wanted = complex_step.statistics(result, weights, name, BATCH, RATE, case.frozen)
        if name in case.cancelling:
            wanted["underflow_fraction"] = measured.figures[name]["underflow_fraction"]
        hold(measured, name, wanted, relative)
    return measured, result


def hold(measured: Measured, name: str, wanted: dict[str, float], relative: float) -> None:
    """Every statistic of a row is the oracle's, and absent exactly where the oracle has none."""
    found = measured.figures[name]
    assert set(found) == set(wanted) | SWITCHED_ON
    assert all(math.isnan(found[statistic]) for statistic in SWITCHED_ON)
    for statistic, value in wanted.items():
        close = relative * abs(value) + rounding(statistic, wanted)
        same = (
            math.isnan(found[statistic])
            if math.isnan(value)
            else (abs(found[statistic] - value) <= close)
        )
        assert same, (name, statistic, found[statistic], value)


def rounding(statistic: str, wanted: dict[str, float]) -> float:
    """What float32 may add where the figure itself cancels: 1e-6 of the size of its terms."""
    if statistic == "activation_mean":
        return 1e-6 * math.sqrt(wanted["activation_second_moment"])
    if statistic == "bias_gradient_second_moment":  # zero by symmetry, as a key's bias
        return 1e-11 * wanted["delta_second_moment"]
    return 0.0


def absent(measured: Measured) -> dict[str, set[str]]:
    """Statistics that are NaN, of each measured row."""
    return {
        info.name: {s for s, v in measured.figures[info.name].items() if math.isnan(v)}
        - SWITCHED_ON
        for info in measured.layers
        if info.measured
    }


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else [values]


def sequential(*layers: Any, shape: Sequence[int], **options: Any) -> Callable[[], Any]:
    """A model of fresh layers between an input and a Dense head."""

    def build() -> Any:
        import keras

        given = keras.Input(tuple(shape), **options)
        x = given
        for layer in layers:
            x = layer(keras.layers)(x)
        x = keras.layers.Flatten(name="flat")(x)
        return keras.Model(given, keras.layers.Dense(2, name="head")(x))

    return build


def head(trace: Any, w: Any, a: Any) -> Any:
    """The numpy twin of `sequential`'s end."""
    flat = a.reshape(len(a), -1)
    return trace.weighted("head", flat @ w["head/kernel"] + w["head/bias"])
