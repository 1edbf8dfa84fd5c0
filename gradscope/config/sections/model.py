"""The `model` section as it may be written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Gt, Le, Lt

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.config.document.document import REFUSED
from gradscope.config.sections.user_model import OWN_MODEL_KEYS, check_own_model
from gradscope.config.value_readers.value_reader import (
    Items,
    Key,
    Named,
    OrWord,
    Plain,
    Reading,
    Schema,
    Table,
)
from gradscope.message_text import TreePath, did_you_mean, show

MAXIMUM_DEPTH: Final = 900
DEFAULT_WIDTH: Final = 100
PLACEMENTS: Final = ("none", "before_activation", "after_activation")

WAYS: Final[tuple[tuple[str, ...], ...]] = (("depth", "width"), ("hidden",), ("layers",))
"""The three ways to say which hidden layers there are; a config uses exactly one."""

Units = Annotated[int, Ge(1)]
Depth = Annotated[int, Ge(1), Le(MAXIMUM_DEPTH)]
Placement = Literal["none", "before_activation", "after_activation"]
Share = Annotated[float, Ge(0.0), Le(1.0)]
DropoutRate = Annotated[float, Ge(0.0), Lt(1.0)]
_PLACEMENT = Plain(Placement)

HIDDEN_ACTIVATION = Named(
    "activation",
    {name: item for name, item in ACTIVATIONS.items() if item.hidden},
    {
        name: f"'{name}' is for the output layer only; set it as model.output.activation"
        for name, item in ACTIVATIONS.items()
        if not item.hidden
    },
)
OUTPUT_ACTIVATION = Named("activation", ACTIVATIONS)
INITIALIZER = Named("initializer", INITIALIZERS)

BATCH_NORM_KEYS: Final[dict[str, Key]] = {
    "placement": Key(_PLACEMENT, "none", "where it stands in a hidden layer", required=True),
    "momentum": Key(Plain(Share), 0.99, "momentum of the moving statistics"),
    "epsilon": Key(
        Plain(Annotated[float, Gt(0.0)]), 0.001, "added to the variance before the square root"
    ),
    "input": Key(Plain(bool), False, "also one right after the input"),
    "every": Key(Plain(Annotated[int, Ge(1), Le(MAXIMUM_DEPTH)]), 1, "in every k-th hidden layer"),
}


@dataclass(frozen=True)
class BatchNorm:
    """A placement alone, or a mapping with it; reads as the mapping."""

    def read(self, value: Any, path: TreePath, reading: Reading) -> dict[str, Any]:
        """Read either form."""
        if isinstance(value, dict) or value is REFUSED:
            return Table(BATCH_NORM_KEYS).read(value, path, reading)
        placement = read_placement(value, path, reading)
        return {**DEFAULT_BATCH_NORM, "placement": placement}

    def json_schema(self) -> Schema:
        """Describe both forms."""
        return {"anyOf": [_PLACEMENT.json_schema(), Table(BATCH_NORM_KEYS).json_schema()]}


def read_placement(value: Any, path: TreePath, reading: Reading) -> Any:
    """Read where batch normalization stands; say how to write "not at all"."""
    if value is None or value is False or value in ("no", "off"):
        listed = ", ".join(PLACEMENTS)
        reading.report(path, f"expected one of {listed}, received {show(value)}", "write none")
        return REFUSED
    if isinstance(value, str) and value not in PLACEMENTS and not did_you_mean(value, PLACEMENTS):
        listed = ", ".join(PLACEMENTS)
        reading.report(path, f"expected one of {listed} or a mapping, received {show(value)}")
        return REFUSED
    return _PLACEMENT.read(value, path, reading)


@dataclass(frozen=True)
class LayerPlacement:
    """The placement of one layer of `layers`; momentum and epsilon belong to the model."""

    def read(self, value: Any, path: TreePath, reading: Reading) -> Any:
        """Read the placement."""
        if isinstance(value, dict):
            reading.report(
                path,
                f"expected one of {', '.join(PLACEMENTS)}, received a mapping",
                "momentum, epsilon and input stand in model.batch_norm",
            )
            return REFUSED
        return value if value is REFUSED else read_placement(value, path, reading)

    def json_schema(self) -> Schema:
        """Describe the placements."""
        return _PLACEMENT.json_schema()


DEFAULT_BATCH_NORM: Final = {name: key.default for name, key in BATCH_NORM_KEYS.items()}


@lru_cache(maxsize=1)
def layer_keys() -> dict[str, Key]:
    """Give the keys of one item of `layers`; what is missing comes from the model."""
    return {
        "units": Key(Plain(Units), None, "number of units; default: model.width"),
        "activation": Key(HIDDEN_ACTIVATION, None, "default: model.activation"),
        "initializer": Key(INITIALIZER, None, "default: model.initializer"),
        "bias_initializer": Key(INITIALIZER, None, "default: model.bias_initializer"),
        "batch_norm": Key(LayerPlacement(), None, "default: model.batch_norm"),
        "dropout": Key(Plain(DropoutRate), None, "default: model.dropout"),
        "use_bias": Key(Plain(bool), None, "default: model.use_bias"),
    }


@lru_cache(maxsize=1)
def output_keys() -> dict[str, Key]:
    """Give the keys of the output layer."""
    return {
        "units": Key(OrWord("auto", Plain(Units)), "auto", "number of outputs"),
        "activation": Key(OrWord("auto", OUTPUT_ACTIVATION), "auto", "output activation"),
        "initializer": Key(
            INITIALIZER, INITIALIZER.default("glorot_uniform"), "kernel initializer"
        ),
    }


@lru_cache(maxsize=1)
def model_keys() -> dict[str, Key]:
    """Give the keys of the model section: the built-in network's, and those for one's own."""
    return {**built_in_keys(), **OWN_MODEL_KEYS}


@lru_cache(maxsize=1)
def built_in_keys() -> dict[str, Key]:
    """Give the keys that describe the built-in network."""
    return {
        "depth": Key(Plain(Depth), None, "number of hidden Dense layers"),
        "width": Key(Plain(Units), None, f"units of each; default {DEFAULT_WIDTH}"),
        "hidden": Key(Items(Plain(Units), MAXIMUM_DEPTH), None, "units of each hidden layer"),
        "layers": Key(
            Items(Table(layer_keys()), MAXIMUM_DEPTH), None, "the hidden layers one by one"
        ),
        "activation": Key(HIDDEN_ACTIVATION, HIDDEN_ACTIVATION.default("relu"), "activation"),
        "initializer": Key(INITIALIZER, INITIALIZER.default("he_normal"), "kernel initializer"),
        "batch_norm": Key(BatchNorm(), DEFAULT_BATCH_NORM, "batch normalization"),
        "use_bias": Key(Plain(bool), True, "whether hidden layers have a bias"),
        "bias_initializer": Key(INITIALIZER, INITIALIZER.default("zeros"), "bias initializer"),
        "dropout": Key(Plain(DropoutRate), 0.0, "dropout after each hidden layer"),
        "output": Key(
            Table(output_keys()),
            {name: key.default for name, key in output_keys().items()},
            "the output layer",
        ),
    }


def check_ways(model: Any, reading: Reading) -> None:
    """Report a model that says what it is in no way or in several."""
    if not isinstance(model, dict):
        return
    check_own_model(model, built_in_keys(), reading)
    if "factory" in model or "keras_file" in model:
        return
    used = [way for way in WAYS if way[0] in model]
    if len(used) > 1:
        names = " and ".join(way[0] for way in used)
        reading.report(
            ("model", used[-1][0]),
            f"{names} both say which hidden layers there are",
            "keep one of depth (with width), hidden, layers",
            at_key=True,
        )
    elif not used:
        reading.report(
            ("model", "depth"),
            "the model has no hidden layers",
            "give depth (with width), hidden or layers; or factory or keras_file for your own",
        )
    if "width" in model and used == [("hidden",)]:
        reading.report(
            ("model", "width"),
            "width goes with depth; hidden already says every width",
            "remove width",
            at_key=True,
        )
    if used == [("layers",)]:
        _check_units(model, reading)


def _check_units(model: dict[str, Any], reading: Reading) -> None:
    layers = model["layers"]
    if "width" in model or not isinstance(layers, list):
        return
    for index, layer in enumerate(layers):
        if isinstance(layer, dict) and "units" not in layer:
            reading.report(
                ("model", "layers", index, "units"),
                "is required",
                "add `units:` here, or `width:` to the model",
            )
