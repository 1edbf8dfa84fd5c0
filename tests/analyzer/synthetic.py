"""Records made from a few numbers per layer, as a run of such a network would have left them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.catalog.activations import find_activation
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import (
    STATISTICS,
    DataSummary,
    Environment,
    LayerInfo,
    Outcome,
    OutcomeStatus,
    RunRecord,
    UnmeasuredReason,
)
from tests.layers import layer_row

Values = float | Sequence[Any] | npt.NDArray[np.float64]

ENVIRONMENT = Environment(
    gradscope="0.1.0",
    python="3.12.1",
    platform="Linux-x86_64",
    numpy="2.4.0",
    tensorflow="2.21.0",
    keras="3.15.0",
    device="CPU",
    cpu_flags=("avx2", "fma"),
    threads=1,
    jit=False,
    grappler=False,
    onednn=False,
    op_determinism=True,
    dtype="float32",
    seed=7,
    config_hash="c" * 64,
    data_hash="d" * 64,
)

DATA = DataSummary(
    name="fashion_mini",
    samples=5000,
    test_samples=1000,
    feature_shape=(28, 28),
    task="classification",
    classes=10,
    scaling="standardize",
    mean=0.0,
    second_moment=1.0,
    minimum=-0.8,
    maximum=2.0,
)

CONFIG = {
    "name": "synthetic",
    "model": {"batch_norm": {"placement": "none", "epsilon": 0.001}},
    "training": {"optimizer": {"name": "sgd", "parameters": {"learning_rate": 0.02}}},
    "detectors": {"select": None, "ignore": [], "thresholds": {}},
}

USERS = {**CONFIG, "model": {"source": {"factory": "mine:net"}, "batch_norm": {"epsilon": 1e-3}}}
"""The config of a model of the user's own."""


def network(
    widths: Sequence[int],
    *,
    activation: str = "relu",
    initializer: str = "he_normal",
    initializer_parameters: dict[str, object] | None = None,
    normalization: str | None = None,
    dropout: float = 0.0,
    features: int = 784,
    input_norm: bool = False,
) -> tuple[LayerInfo, ...]:
    """Flatten, hidden Dense layers of these widths, an output of ten classes."""
    entry = find_activation(activation)
    layers = [
        layer_row(
            0,
            "flatten",
            "Flatten",
            "structure",
            measured=False,
            reason=UnmeasuredReason.UNCHANGED_VALUES,
        )
    ]
    if input_norm:
        layers.append(layer_row(1, "input_norm", "BatchNormalization", "normalization"))
    fans = [features, *widths, 10]
    for i, units in enumerate(widths):
        known = INITIALIZERS[initializer].complete({}) if initializer in INITIALIZERS else {}
        layers.append(
            layer_row(
                index=len(layers),
                name=f"hidden_{i + 1}",
                kind="Dense",
                role="hidden",
                units=units,
                fan_in=fans[i],
                fan_out=units,
                activation=activation,
                activation_parameters=entry.complete({}) if entry else {},
                initializer=initializer,
                initializer_parameters={**known, **(initializer_parameters or {})},
                normalization=normalization,
                use_bias=normalization is None,
                dropout=dropout,
                parameters=(fans[i] + 1) * units,
            )
        )
    layers.append(
        layer_row(
            index=len(layers),
            name="output",
            kind="Dense",
            role="output",
            units=10,
            fan_in=fans[-2],
            fan_out=10,
            activation="softmax",
            initializer="glorot_uniform",
            use_bias=True,
            parameters=(fans[-2] + 1) * 10,
        )
    )
    return tuple(layers)


def normed(layers: Sequence[LayerInfo], **facts: Any) -> tuple[LayerInfo, ...]:
    """The same layers with a batch norm right after each hidden one; `facts` are the norms'."""
    made: list[LayerInfo] = []
    for layer in layers:
        made.append(replace(layer, index=len(made)))
        if layer.role == "hidden":
            name, settings = f"{layer.name}_batch_norm", {"momentum": 0.99, **facts}
            made.append(
                layer_row(len(made), name, "BatchNormalization", "normalization", **settings)
            )
    return tuple(made)


def changed(layers: Sequence[LayerInfo], which: str, **facts: Any) -> tuple[LayerInfo, ...]:
    """The same layers, one of them changed."""
    return tuple(replace(x, **facts) if x.name == which else x for x in layers)


def record(
    layers: int | tuple[LayerInfo, ...] = 5,
    *,
    steps: int | Sequence[int] = 40,
    signal: Values = 1.0,
    delta: Values = 1.0,
    update: Values = 1e-3,
    dead: Values = 0.0,
    gain: Values = 0.6,
    broken: dict[str, tuple[int, int | list[int], float]] | None = None,
    loss: Values = 2.5,
    accuracy: Values = 0.1,
    status: str = "complete",
    hidden_figures: dict[str, Values] | None = None,
    norm_figures: dict[str, Values] | None = None,
    optimizer: dict[str, Any] | None = None,
    **changes: Any,
) -> RunRecord:
    """A record of hidden `layers` over `steps` (their numbers, or the last of 0, 1, 2, ...).

    `signal` and `delta` are rms of the hidden layers, `dead` and `gain` their shares, `update` the
    ratios of hidden and output layers; each broadcasts to [step, layer]. `broken` maps
    ``forward``, ``backward`` or ``update`` to (row, index or indices of layers, number of values).
    `hidden_figures` and `norm_figures` are further statistics of those layers, by name;
    `optimizer` stands in the config's place.
    """
    built = network([100] * layers) if isinstance(layers, int) else layers
    numbers = np.arange(steps + 1) if isinstance(steps, int) else np.array(steps)
    rows = len(numbers)
    hidden = [layer.index for layer in built if layer.role == "hidden" and layer.measured]
    weighted = [*hidden, built[-1].index]
    series = {name: np.full((rows, len(built)), np.nan) for name in STATISTICS}

    def put(name: str, indices: list[int], values: Values) -> None:
        series[name][:, indices] = np.broadcast_to(values, (rows, len(indices)))

    put("preactivation_second_moment", hidden, np.square(signal))
    put("delta_second_moment", hidden, np.square(delta))
    put("kernel_gradient_second_moment", hidden, np.square(np.multiply(signal, delta)))
    put("update_ratio", weighted, update)
    series["update_ratio"][numbers == 0] = np.nan
    put("dead_fraction", hidden, dead)
    put("derivative_gain", hidden, gain)
    put("zero_fraction", hidden, 0.5)
    for name in ("nonfinite_count", "nonfinite_forward_count", "nonfinite_backward_count"):
        put(name, weighted, 0.0)
    norms = [layer.index for layer in built if layer.role == "normalization"]
    for indices, figures in ((hidden, hidden_figures), (norms, norm_figures)):
        for name, values in (figures or {}).items():
            put(name, indices, values)
    for phase, (row, index, count) in (broken or {}).items():
        series["nonfinite_count"][row, index] += count
        if phase != "update":
            series[f"nonfinite_{phase}_count"][row, index] += count
    scalars = {
        "loss": np.array(np.broadcast_to(loss, (rows,)), np.float64),
        "accuracy": np.array(np.broadcast_to(accuracy, (rows,)), np.float64),
        "learning_rate": np.full(rows, 0.02),
    }
    done = int(numbers[-1]) if rows else 0
    made = RunRecord(
        name="synthetic",
        layers=built,
        steps=numbers.astype(np.int64),
        series=series,
        scalars=scalars,
        histograms={},
        outcome=Outcome(OutcomeStatus(status), f"{status} at step {done}", max(done, 1), done),
        environment=ENVIRONMENT,
        data=DATA,
        config=CONFIG if optimizer is None else CONFIG | {"training": {"optimizer": optimizer}},
        batch_size=32,
        probe_samples=1000,
        seconds=1.5,
    )
    return replace(made, **changes)


def empty() -> RunRecord:
    """A record without a single row."""
    return record(steps=())


def geometric(ratio: float, depth: int = 5) -> npt.NDArray[np.float64]:
    """From 1 at the first layer to `ratio` at the last."""
    return np.asarray(ratio ** (np.arange(depth) / (depth - 1)))


def over_time(rows: int, *stretches: tuple[int, Values]) -> npt.NDArray[np.float64]:
    """[step, layer]: each stretch gives the row it starts at and the values from there on."""
    width = max(np.size(values) for _, values in stretches)
    made = np.ones((rows, width))
    for start, values in stretches:
        made[start:] = values
    return made
