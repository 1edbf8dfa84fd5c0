"""What must not change a verdict, on real runs of a healthy network and one that fades.

Every run is full-batch, so that the order of the samples is none of its business.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.record import RunRecord
from tests.long_cases import long_cases

pytestmark = pytest.mark.tensorflow

WIDTH, DEPTH, SAMPLES, STEPS, RATE = 16, 7, 64, 30, 0.05
Weights = list[np.ndarray]


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    y = np.arange(SAMPLES) % 3
    centres = np.eye(3, 6) * 2
    return (centres[y] + random.normal(0, 1, (SAMPLES, 6))).astype(np.float32), y


def weights(activation: str) -> Weights:
    """He's variance for ReLU, Glorot's for sigmoid; no biases but the output's."""
    random = np.random.default_rng(6)
    sizes, gain = [6, *[WIDTH] * DEPTH], {"relu": 2.0, "sigmoid": 1.0}[activation]
    hidden = [random.normal(0, (gain / n) ** 0.5, (n, m)) for n, m in pairwise(sizes)]
    return [*hidden, random.normal(0, (1 / WIDTH) ** 0.5, (WIDTH, 3))]


def run(
    activation: str,
    kernels: Weights,
    given: tuple[np.ndarray, np.ndarray],
    *,
    name: str = "hidden_{}",
    loss_times: float = 1.0,
) -> RunRecord:
    import keras

    from gradscope.runner.runtime import device

    x = inputs = keras.Input((6,))
    names = [name.format(i) for i in range(DEPTH)]
    for one in names:
        x = keras.layers.Dense(WIDTH, activation=activation, name=one)(x)
    outputs = keras.layers.Dense(3, activation="softmax", name="output")(x)
    model = keras.Model(inputs, outputs)
    for one, kernel in zip([*names, "output"], kernels, strict=True):
        model.get_layer(one).kernel.assign(kernel)
    model.compile(
        keras.optimizers.SGD(RATE / loss_times),
        keras.losses.SparseCategoricalCrossentropy(),
        loss_weights=[loss_times],
    )
    device.set_threads(1)
    training = {"steps": STEPS, "batch_size": len(given[0]), "probe_samples": 64}
    return api.run({"training": training}, model=model, data=given)


def verdicts(record: RunRecord) -> list[tuple[Any, ...]]:
    """Every verdict with all that is not a figure of its own."""
    return [
        (v.code, v.status, *((f.severity, f.since_step, f.until_step) for f in v.findings))
        for v in api.analyze(record).diagnosis.verdicts
    ]


def permuted(kernels: Weights) -> Weights:
    """The same function with the units of each hidden layer in another order."""
    random, made = np.random.default_rng(7), [kernel.copy() for kernel in kernels]
    for layer in range(DEPTH):
        order = random.permutation(WIDTH)
        made[layer] = made[layer][:, order]
        made[layer + 1] = made[layer + 1][order]
    return made


@pytest.fixture(scope="module")
def plain(tensorflow_once: Any) -> dict[str, list[tuple[Any, ...]]]:
    return {a: verdicts(run(a, weights(a), data())) for a in ("relu", "sigmoid")}


def test_one_is_healthy_and_one_is_not(plain: dict[str, list[tuple[Any, ...]]]) -> None:
    def grave(name: str) -> list[str]:
        return [v[0] for v in plain[name] if any(f[0] == "error" for f in v[2:])]

    assert grave("relu") == []
    assert grave("sigmoid")[0] == "GS101"


@pytest.mark.parametrize("activation", long_cases(["relu", "sigmoid"], ["sigmoid"], "5 s each"))
@pytest.mark.parametrize(
    "change", ["loss_down", "loss_up_and_renamed", "permuted", "duplicated_and_shuffled"]
)
def test_the_verdicts_stay(
    plain: dict[str, list[tuple[Any, ...]]], activation: str, change: str
) -> None:
    kernels, (x, y) = weights(activation), data()
    options: dict[str, Any] = {}
    if change == "loss_down":
        options["loss_times"] = 2.0**-20
    elif change == "loss_up_and_renamed":
        options = {"loss_times": 2.0**13, "name": "layer_{}_of_mine"}
    elif change == "permuted":
        kernels = permuted(kernels)
    else:
        order = np.random.default_rng(8).permutation(2 * SAMPLES) % SAMPLES
        x, y = x[order], y[order]
    assert verdicts(run(activation, kernels, (x, y), **options)) == plain[activation]


def test_a_rescaled_pair_of_relu_layers(plain: dict[str, list[tuple[Any, ...]]]) -> None:
    """(aW, V / a) is the same function; only steps small against the weights keep it so."""
    kernels = weights("relu")
    kernels[3] = kernels[3] * 2.0
    kernels[4] = kernels[4] / 2.0
    assert verdicts(run("relu", kernels, data())) == plain["relu"]
