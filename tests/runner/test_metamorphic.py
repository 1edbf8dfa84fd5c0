"""Changes that mean nothing change no figure and no verdict, for networks of many kinds.

Each relation changes how the same training is written down: the order of a batch, the
unit of the targets, the precision, a layer in front that copies its input, rows for columns.
Batches are fixed, so that deltas agree up to rounding, not only verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradscope
from benchmarks.detectors.wide import objectives, tasks

pytestmark = pytest.mark.tensorflow

STEPS, BATCH = 12, 16
UNIT = 1000.0

Array = npt.NDArray[Any]
Settings = dict[str, Any]


@dataclass(frozen=True)
class Network:
    """A kind of network of the wide corpus, its task and loss, and the codes it must give."""

    network: Settings
    task: Settings
    loss: str
    codes: tuple[str, ...] = ()


SOFTMAX = "sparse_categorical_crossentropy"
NETWORKS = {
    "mlp": Network(
        {"name": "mlp", "head": "softmax", "depth": 3}, {"name": "groups", "classes": 3}, SOFTMAX
    ),
    "table": Network({"name": "mlp", "head": "linear", "depth": 3}, {"name": "table"}, "mse"),
    "vit": Network({"name": "vit", "head": "softmax"}, {"name": "images", "classes": 3}, SOFTMAX),
    "own loss": Network(
        {"name": "mlp", "head": "linear", "depth": 3, "units": 1}, {"name": "table"}, "quantile"
    ),
    "cnn": Network(
        {"name": "cnn", "head": "softmax", "pooled": True, "filters": [6, 8]},
        {"name": "images", "classes": 3, "size": 8}, SOFTMAX,
    ),
    "resnet": Network(
        {"name": "resnet", "head": "softmax"}, {"name": "images", "classes": 3}, SOFTMAX
    ),
    "transformer": Network(
        {"name": "transformer", "words": 30, "head": "softmax"}, {"name": "words"}, SOFTMAX
    ),
    "gru": Network(
        {"name": "recurrent", "cell": "GRU", "head": "linear"}, {"name": "forecast"}, "mse"
    ),
    "lstm": Network(
        {"name": "recurrent", "cell": "LSTM", "head": "softmax"}, {"name": "series"}, SOFTMAX
    ),
    "autoencoder": Network(
        {"name": "autoencoder", "head": "linear"}, {"name": "factors"}, "mse"
    ),
    "dead table": Network(
        {"name": "mlp", "head": "linear", "depth": 3, "bias": -30.0}, {"name": "table"}, "mse",
        ("GS203",),
    ),
    "cut u-net": Network(
        {"name": "unet", "head": "sigmoid", "between": "stop"}, {"name": "masks", "size": 8,
         "side": 3}, "binary_crossentropy", ("GS103",),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Written:
    """One way to write the same training down."""

    x: Array
    y: Array
    policy: str = "float32"
    unit: float = 1.0
    loss_times: float = 1.0
    copied: bool = False
    transposed: bool = False


@dataclass(frozen=True)
class Answer:
    """The codes, and the deltas of the layers of the network by name."""

    codes: tuple[str, ...]
    deltas: dict[str, Array]


def trained(network: Network, written: Written) -> Answer:
    """What `run` says of the network, from the same weights, over the batches as written."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    weights = built(network, replace(written, policy="float32")).get_weights()
    keras.backend.clear_session()  # the same names of layers each time
    keras.config.set_dtype_policy(written.policy)
    try:
        model = built(network, written)
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights(weights)  # other precisions draw other numbers
    if written.transposed:
        model.set_weights([w.swapaxes(0, 1) if w.ndim == 4 else w for w in weights])
    batches = tf.data.Dataset.from_tensor_slices((written.x, written.y))
    config = {"training": {"steps": STEPS}, "seed": 1}
    record = gradscope.run(config, model=model, data=batches)
    deltas = record.series["delta_second_moment"] / written.loss_times**2
    return Answer(
        gradscope.analyze(record).diagnosis.codes,
        {layer.name: deltas[[0, -1], at] for at, layer in enumerate(record.layers)},
    )


def built(network: Network, written: Written) -> Any:
    """The compiled network; in other units its answers and its loss are those times a constant."""
    import keras

    from benchmarks.detectors.wide.networks import NETWORKS as MAKERS
    from benchmarks.detectors.wide.parts import Parts

    outputs = int(written.y.max()) + 1 if written.y.dtype.kind == "i" else written.y.shape[-1]
    shape = written.x.shape[2:]
    first, last = MAKERS[network.network["name"]](Parts(network.network, outputs), shape)
    if written.unit != 1.0:
        last = keras.layers.Rescaling(written.unit)(last)
    model = keras.Model(first, last)
    if written.copied:
        entry = keras.Input(shape)
        copy = keras.layers.Dense(shape[-1], kernel_initializer="identity", trainable=False)
        model = keras.Model(entry, model(copy(entry)))
    # A quantile loss is of the first power of the unit, a square of the second.
    power = 1 if network.loss == "quantile" else 2
    times = written.loss_times / written.unit**power
    change = {} if times == 1.0 else {"times": times}
    loss = objectives.objective(network.loss, change)
    model.compile(keras.optimizers.SGD(0.05 / written.loss_times), loss)
    return model


def batches(network: Network) -> Written:
    """The task's samples as `STEPS` fixed batches."""
    task = tasks.made(network.task | {"samples": STEPS * BATCH}, {}, {})
    return Written(*(part.reshape(STEPS, BATCH, *part.shape[1:]) for part in (task.x, task.y)))


def permuted(written: Written) -> Written:
    order = np.random.default_rng(0).permutation(BATCH)
    return replace(written, x=written.x[:, order], y=written.y[:, order])


def doubled(written: Written) -> Written:
    x, y = (np.concatenate([part, part], axis=1) for part in (written.x, written.y))
    return replace(written, x=x, y=y)


def in_other_units(written: Written) -> Written:
    return replace(written, y=written.y * np.float32(UNIT), unit=UNIT)


def with_a_larger_loss(written: Written) -> Written:
    """The loss times a power of two, and the learning rate by it: the same steps."""
    return replace(written, loss_times=1024.0)


def in_float64(written: Written) -> Written:
    return replace(written, policy="float64")


def behind_a_copy(written: Written) -> Written:
    return replace(written, copied=True)


def transposed(written: Written) -> Written:
    """Rows and columns of images and of kernels change places."""
    return replace(written, x=written.x.swapaxes(2, 3), transposed=True)


EVERY = tuple(NETWORKS)
SLOW = ("resnet", "gru", "transformer", "vit", "table")
REAL = ("gru", "autoencoder", "table", "own loss")
VECTORS = tuple(name for name in NETWORKS if name != "transformer")
RELATIONS: dict[Callable[[Written], Written], tuple[str, ...]] = {
    permuted: EVERY,
    doubled: EVERY,
    in_other_units: REAL,
    with_a_larger_loss: EVERY,
    in_float64: EVERY,
    behind_a_copy: VECTORS,
    transposed: ("cnn",),
}


@pytest.fixture(scope="module")
def plain(tensorflow_once: Any) -> Callable[[str], Answer]:
    """The answer about each network as it is, once."""
    known: dict[str, Answer] = {}

    def look(name: str) -> Answer:
        if name not in known:
            known[name] = trained(NETWORKS[name], batches(NETWORKS[name]))
        return known[name]

    return look


QUICK: dict[Callable[[Written], Written], tuple[str, ...]] = {
    permuted: ("mlp", "lstm", "cut u-net"),
    doubled: ("cnn", "own loss", "dead table"),
    in_other_units: ("own loss", "autoencoder"),
    with_a_larger_loss: ("mlp", "lstm", "dead table"),
    in_float64: ("cnn", "autoencoder", "cut u-net"),
    behind_a_copy: ("mlp", "cnn", "autoencoder"),
    transposed: ("cnn",),
}
"""Each relation on a few networks, each network under two relations or more."""


def cases(names: Iterable[str], quick: Iterable[str], *before: Any) -> list[Any]:
    """Parameters of a test, one for each name; those that are not quick are long."""
    return [
        pytest.param(
            *before, name, marks=[pytest.mark.long("2 to 60 s each")] * (name not in quick)
        )
        for name in names
    ]


@pytest.mark.parametrize("name", cases(NETWORKS, set(NETWORKS) - set(SLOW)))
def test_the_networks_are_what_they_are_called(name: str, plain: Callable[[str], Answer]) -> None:
    assert set(NETWORKS[name].codes) <= set(plain(name).codes)


@pytest.mark.parametrize(
    ("relation", "name"),
    [case for each, names in RELATIONS.items() for case in cases(names, QUICK[each], each)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_the_same_training_written_in_another_way(
    relation: Callable[[Written], Written], name: str, plain: Callable[[str], Answer]
) -> None:
    network = NETWORKS[name]
    given = trained(network, relation(batches(network)))
    expected = plain(name)
    assert given.codes == expected.codes
    same = given.deltas.keys() & expected.deltas.keys()
    assert len(same) == len(expected.deltas)
    for layer in sorted(same):
        # Rounding differs from the first step on: float32's 6e-8 over sums of thousands of terms.
        np.testing.assert_allclose(
            given.deltas[layer], expected.deltas[layer], rtol=2e-3, err_msg=layer
        )
