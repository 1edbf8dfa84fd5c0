"""The small networks of the proof, and the faults that are planted in them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Tree = dict[str, Any]

HE, LECUN, GLOROT = (2.0, "fan_in"), (1.0, "fan_in"), (1.0, "fan_avg")


def initializer(law: tuple[float, str], gain: float = 1.0) -> Tree:
    """Keras's truncated normal of that law, its standard deviation times `gain`."""
    scale, mode = law
    return {"name": "variance_scaling", "scale": scale * gain**2, "mode": mode}


def dense(depth: int, width: int, activation: str, law: tuple[float, str], **layer: Any) -> Tree:
    """A config of equal hidden layers, said one by one so that a fault can change one of them."""
    one = {"units": width, "activation": activation, "initializer": initializer(law), **layer}
    return {
        "name": "net",
        "model": {"layers": [copy.deepcopy(one) for _ in range(depth)]},
        "data": {"name": "gaussian", "samples": 2000, "features": 100},
        "training": {"steps": 40, "batch_size": 32, "optimizer": "sgd", "learning_rate": 0.01},
    }


def user_network(function: str, data: Tree, **training: Any) -> Tree:
    """A config of a network of `user_networks`."""
    return {
        "name": "net",
        "model": {"factory": f"benchmarks.gate.user_networks:{function}", "arguments": {}},
        "data": data,
        "training": {"steps": 40, "batch_size": 32, **training},
    }


GAUSSIAN = {"name": "gaussian", "samples": 2000, "features": 100}
SGD = {"optimizer": "sgd", "learning_rate": 0.01}

NETS: dict[str, Tree] = {
    "ReLU 10x128, He": dense(10, 128, "relu", HE),
    "tanh 10x64, Glorot": dense(10, 64, "tanh", GLOROT),
    "SELU 10x64, LeCun": dense(10, 64, "selu", LECUN),
    "ReLU 8x64, batch norm before": dense(8, 64, "relu", HE, batch_norm="before_activation"),
    "ReLU 20x32, He": dense(20, 32, "relu", HE),
    "ReLU 10x128, images": {
        **dense(10, 128, "relu", HE),
        "data": {"name": "fashion_mini"},
    },
    "own CNN": user_network("cnn", {"name": "fashion_mini"}, **SGD),
    "own chain 6x64": user_network("chain", GAUSSIAN),
}

Change = Callable[[Tree], None]


@dataclass(frozen=True)
class Fault:
    """A change of a config, in which networks it is planted, and what the gate ought to do.

    `first` names the layer to be told as the first that differs, "" for any; `silent` faults must
    not be reported. `trained` says that it shows in training only.
    """

    name: str
    nets: tuple[str, ...]
    change: Change
    first: str = ""
    silent: bool = False
    trained: bool = False


def planted(tree: Mapping[str, Any], fault: Fault) -> Tree:
    """The config with the fault."""
    changed: Tree = copy.deepcopy(dict(tree))
    fault.change(changed)
    return changed


def _gain(factor: float, *, one: bool = False) -> Change:
    def change(tree: Tree) -> None:
        layers = tree["model"]["layers"]
        for layer in [layers[len(layers) // 2]] if one else layers:
            layer["initializer"]["scale"] *= factor**2

    return change


def _layers(**keys: Any) -> Change:
    def change(tree: Tree) -> None:
        for layer in tree["model"]["layers"]:
            layer.update(keys)

    return change


def _middle(**keys: Any) -> Change:
    def change(tree: Tree) -> None:
        layers = tree["model"]["layers"]
        layers[len(layers) // 2].update(keys)

    return change


def _deeper(tree: Tree) -> None:
    layers = tree["model"]["layers"]
    layers.append(copy.deepcopy(layers[-1]))


def _section(section: str, **keys: Any) -> Change:
    def change(tree: Tree) -> None:
        tree[section].update(keys)

    return change


def _arguments(**arguments: Any) -> Change:
    def change(tree: Tree) -> None:
        tree["model"]["arguments"].update(arguments)

    return change


RELU, TANH, SELU, NORM, DEEP, IMAGES, CNN, CHAIN = NETS
DENSE = (RELU, TANH, SELU, NORM, DEEP)
MOMENTUM = {"batch_norm": {"placement": "none", "momentum": 1.0}}
"""The placement is each layer's own."""

FAULTS = (
    *(
        Fault(f"gain x{factor:g}, all layers", nets, _gain(factor), "hidden_1")
        for factor, nets in ((1.05, DENSE[:4]), (1.1, DENSE), (1.5, (RELU,)), (2.0, (RELU,)))
    ),
    *(
        Fault(f"gain x{factor:g}, one layer", nets, _gain(factor, one=True), "middle")
        for factor, nets in ((1.05, (RELU,)), (1.1, DENSE[:4]), (1.5, (RELU,)), (2.0, (RELU,)))
    ),
    Fault("batch norm dropped", (NORM,), _layers(batch_norm="none"), "batch norm"),
    Fault("batch norm after", (NORM,), _layers(batch_norm="after_activation"), "hidden_1"),
    Fault(
        "batch norm momentum 1",
        (NORM,),
        lambda tree: tree["model"].update(MOMENTUM),
        trained=True,
    ),
    Fault("relu -> tanh", (RELU,), _layers(activation="tanh"), "hidden_1"),
    Fault("relu -> gelu", (RELU,), _layers(activation="gelu"), "hidden_1"),
    Fault(
        "bias of one layer: ones",
        (RELU,),
        _middle(bias_initializer="ones"),
        "middle",
    ),
    Fault("learning rate x10", (RELU,), _section("training", learning_rate=0.1)),
    Fault("inputs unscaled", (IMAGES,), _section("data", scaling="none"), "hidden_1"),
    Fault("one more layer", (RELU,), _deeper, "added"),
    Fault("one layer's seed fixed", (CHAIN,), _arguments(fixed_seed=3), "block_3"),
    Fault("two layers, one initializer", (CHAIN,), _arguments(copied=3), "block_4"),
    Fault("loss x1000, rate / 1000", (CHAIN,), _arguments(loss_scale=1000.0), silent=True),
    Fault("layers renamed", (CHAIN,), _arguments(names="stage"), silent=True),
)
