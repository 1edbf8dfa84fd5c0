"""The text of a new config, with a comment for every choice, as `gradscope init` writes it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from gradscope.catalog.activations import find_activation

FILE_DATASETS = {".csv": "csv", ".npz": "npz"}
"""The data set that reads files of a suffix."""


@dataclass(frozen=True)
class NewConfig:
    """The choices of a new config.

    `factory` is a function ``module:function`` of the user's that gives a model; with it, `depth`
    to `batch_norm` have no meaning. `initializer` "" is the one that goes with the activation.
    `data` is the name of a data set, a .csv or .npz file, or a function ``module:function``.
    """

    name: str
    depth: int = 10
    width: int = 100
    activation: str = "relu"
    initializer: str = ""
    batch_norm: str = "none"
    data: str = "fashion_mini"
    factory: str = ""


def config_text(choices: NewConfig) -> str:
    """The YAML text; `load_config` says what is wrong with a choice that it holds."""
    lines = [
        "# What the keys mean: gradscope explain model.depth",
        f"name: {_scalar(choices.name)}  # reports go to reports/{choices.name}",
        "model:",
        *(_own_model(choices) if choices.factory else _built_in_model(choices)),
        "data:",
        *_data(choices.data),
        "training:",
        *_training(choices),
        "seed: 42  # all randomness comes from it",
    ]
    return "\n".join(lines) + "\n"


def _own_model(choices: NewConfig) -> list[str]:
    module, _, function = choices.factory.partition(":")
    return [
        f"  factory: {_scalar(choices.factory)}  # {function}() of {module}.py gives the model",
        "  # arguments: {units: 64}  # keyword arguments of the function",
    ]


def _built_in_model(choices: NewConfig) -> list[str]:
    initializer = choices.initializer or _paired_initializer(choices.activation)
    paired = " goes with the activation" if not choices.initializer else ""
    return [
        f"  depth: {choices.depth}  # hidden Dense layers",
        f"  width: {choices.width}  # units of each",
        f"  activation: {_scalar(choices.activation)}  # also: sigmoid, tanh, elu, selu, gelu, ...",
        f"  initializer: {_scalar(initializer)}  #{paired or ' of the kernels'}",
        f"  batch_norm: {_scalar(choices.batch_norm)}  # none, before_activation, after_activation",
    ]


def _paired_initializer(activation: str) -> str:
    entry = find_activation(activation)
    return entry.initializer if entry else "glorot_uniform"


def _data(data: str) -> list[str]:
    dataset = next((n for suffix, n in FILE_DATASETS.items() if data.endswith(suffix)), "")
    if dataset == "csv":
        label = "  # label: species  # the column to predict; default: the last one"
        return ["  name: csv", f"  path: {json.dumps(data)}  # beside this file", label]
    if dataset:
        return [f"  name: {dataset}", f"  path: {json.dumps(data)}  # with the arrays x and y"]
    if ":" in data and not data.startswith("keras:"):
        module, _, function = data.partition(":")
        return [f"  factory: {_scalar(data)}  # {function}() of {module}.py gives inputs, targets"]
    return [f"  name: {_scalar(data)}  # others: gradscope explain data"]


def _training(choices: NewConfig) -> list[str]:
    optimizer = [
        "  optimizer: sgd",
        "  learning_rate: 0.01",
    ]
    if choices.factory:
        optimizer = ["  optimizer: auto  # the one the model was compiled with; without one, sgd"]
    steps = (
        "  steps: 100  # of each seed; a check trains some ten"
        if choices.factory
        else "  steps: 300"
    )
    return [*optimizer, "  batch_size: 32", steps]


def _scalar(value: str) -> str:
    """`value` as YAML, quoted where it would not be read as this text."""
    try:
        plain = yaml.safe_load(value) == value and "#" not in value
    except yaml.YAMLError:
        plain = False
    return value if plain else json.dumps(value)


def unnamed_data_text(path: Path, choices: NewConfig) -> str:
    """The remedy where a model of the user's own does not take the data that stood in."""
    module = choices.factory.partition(":")[0]
    return (
        f"{path} was not kept: no --data was named, so the model got {choices.data}; name yours, "
        f"a file or a function that returns inputs and targets: --data {module}:load"
    )


def written_text(path: str, *, trains: bool) -> str:
    """What was written, and the commands that come next."""
    model = "your model" if trains else "the network"
    return (
        f"wrote {path}\n"
        f"  gradscope run {path}        trains and measures {model}\n"
        f"  gradscope baseline {path}   keeps what it is like, for `gradscope check` to compare"
    )


def gate_text(paths: Sequence[str], included: Sequence[str]) -> str:
    """The files of a gate, config and baseline first, and the commands that come next.

    A pipeline that there is already has to include the files of `included`.
    """
    config, _, *jobs = paths
    lines = [f"wrote {path}: runs `gradscope check {shlex.quote(config)}`" for path in jobs]
    lines += [f"  add to .gitlab-ci.yml: include: [{{local: {path}}}]" for path in included]
    return "\n".join(
        [
            *lines,
            "next:",
            f"  gradscope check {shlex.quote(config)}",
            f"  git add {shlex.join(paths)}",
        ]
    )
