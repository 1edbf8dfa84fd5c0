"""The `model` section of a config."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Gt, Le, Lt

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.sections.user_model import USER_MODEL_KEYS, check_user_model
from gradscope.config.value_readers.catalog_choice import CatalogChoiceReader
from gradscope.config.value_readers.mapping_reader import Key, ListReader, MappingReader
from gradscope.config.value_readers.single_value import KeywordOrReader, TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext, Schema
from gradscope.message_text import did_you_mean, show_value

MAXIMUM_DEPTH: Final = 900
DEFAULT_WIDTH: Final = 100
PLACEMENTS: Final = ("none", "before_activation", "after_activation")

HIDDEN_LAYER_KEYS: Final = ("depth", "hidden", "layers")
"""The keys that list the hidden layers; a built-in network has exactly one of them."""

Units = Annotated[int, Ge(1)]
Depth = Annotated[int, Ge(1), Le(MAXIMUM_DEPTH)]
Placement = Literal["none", "before_activation", "after_activation"]
Share = Annotated[float, Ge(0.0), Le(1.0)]
DropoutRate = Annotated[float, Ge(0.0), Lt(1.0)]
_PLACEMENT = TypedValueReader(Placement)

HIDDEN_ACTIVATION = CatalogChoiceReader(
    "activation",
    {name: item for name, item in ACTIVATIONS.items() if item.hidden},
    {
        name: f"'{name}' is for the output layer only; set it as model.output.activation"
        for name, item in ACTIVATIONS.items()
        if not item.hidden
    },
)
OUTPUT_ACTIVATION = CatalogChoiceReader("activation", ACTIVATIONS)
INITIALIZER = CatalogChoiceReader("initializer", INITIALIZERS)

BATCH_NORM_KEYS: Final[dict[str, Key]] = {
    "placement": Key(_PLACEMENT, "none", "its place in a hidden layer", required=True),
    "momentum": Key(TypedValueReader(Share), 0.99, "momentum of the moving statistics"),
    "epsilon": Key(
        TypedValueReader(Annotated[float, Gt(0.0)]),
        0.001,
        "added to the variance before the square root",
    ),
    "input": Key(TypedValueReader(bool), False, "also one right after the input"),
    "every": Key(
        TypedValueReader(Annotated[int, Ge(1), Le(MAXIMUM_DEPTH)]), 1, "in every k-th hidden layer"
    ),
}


@dataclass(frozen=True)
class BatchNormReader:
    """Batch normalization: a placement alone, or a mapping of all its parameters."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> dict[str, Any]:
        """Read either form."""
        if isinstance(value, dict) or value is INVALID:
            return MappingReader(BATCH_NORM_KEYS).read(value, path, context)
        placement = read_placement(value, path, context)
        return {**DEFAULT_BATCH_NORM, "placement": placement}

    def json_schema(self) -> Schema:
        """Describe both forms."""
        return {"anyOf": [_PLACEMENT.json_schema(), MappingReader(BATCH_NORM_KEYS).json_schema()]}


def read_placement(value: Any, path: TreePath, context: ReadContext) -> Any:
    """Read a placement of batch normalization; `none` is the word for no normalization."""
    if value is None or value is False or value in ("no", "off"):
        listed = ", ".join(PLACEMENTS)
        context.report(
            path, f"expected one of {listed}, received {show_value(value)}", "write none"
        )
        return INVALID
    if isinstance(value, str) and value not in PLACEMENTS and not did_you_mean(value, PLACEMENTS):
        listed = ", ".join(PLACEMENTS)
        context.report(path, f"expected one of {listed} or a mapping, received {show_value(value)}")
        return INVALID
    return _PLACEMENT.read(value, path, context)


@dataclass(frozen=True)
class LayerPlacementReader:
    """The placement in one item of `layers`; the other parameters are those of the model."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Read the placement."""
        if isinstance(value, dict):
            context.report(
                path,
                f"expected one of {', '.join(PLACEMENTS)}, received a mapping",
                "momentum, epsilon and input stand in model.batch_norm",
            )
            return INVALID
        return value if value is INVALID else read_placement(value, path, context)

    def json_schema(self) -> Schema:
        """Describe the placements."""
        return _PLACEMENT.json_schema()


DEFAULT_BATCH_NORM: Final = {name: key.default for name, key in BATCH_NORM_KEYS.items()}


@lru_cache(maxsize=1)
def layer_keys() -> dict[str, Key]:
    """Give the keys of one item of `layers`; a missing key has the value of the model."""
    return {
        "units": Key(TypedValueReader(Units), None, "number of units; default: model.width"),
        "activation": Key(HIDDEN_ACTIVATION, None, "default: model.activation"),
        "initializer": Key(INITIALIZER, None, "default: model.initializer"),
        "bias_initializer": Key(INITIALIZER, None, "default: model.bias_initializer"),
        "batch_norm": Key(LayerPlacementReader(), None, "default: model.batch_norm"),
        "dropout": Key(TypedValueReader(DropoutRate), None, "default: model.dropout"),
        "use_bias": Key(TypedValueReader(bool), None, "default: model.use_bias"),
    }


@lru_cache(maxsize=1)
def output_keys() -> dict[str, Key]:
    """Give the keys of the output layer."""
    return {
        "units": Key(KeywordOrReader("auto", TypedValueReader(Units)), "auto", "number of outputs"),
        "activation": Key(KeywordOrReader("auto", OUTPUT_ACTIVATION), "auto", "output activation"),
        "initializer": Key(
            INITIALIZER, INITIALIZER.default("glorot_uniform"), "kernel initializer"
        ),
    }


@lru_cache(maxsize=1)
def model_keys() -> dict[str, Key]:
    """Give the keys of the model section: those of the built-in network and those of a user's."""
    return {**built_in_keys(), **USER_MODEL_KEYS}


@lru_cache(maxsize=1)
def built_in_keys() -> dict[str, Key]:
    """Give the keys that describe the built-in network."""
    return {
        "depth": Key(TypedValueReader(Depth), None, "number of hidden Dense layers"),
        "width": Key(TypedValueReader(Units), None, f"units of each; default {DEFAULT_WIDTH}"),
        "hidden": Key(
            ListReader(TypedValueReader(Units), MAXIMUM_DEPTH), None, "units of each hidden layer"
        ),
        "layers": Key(
            ListReader(MappingReader(layer_keys()), MAXIMUM_DEPTH),
            None,
            "the hidden layers one by one",
        ),
        "activation": Key(HIDDEN_ACTIVATION, HIDDEN_ACTIVATION.default("relu"), "activation"),
        "initializer": Key(INITIALIZER, INITIALIZER.default("he_normal"), "kernel initializer"),
        "batch_norm": Key(BatchNormReader(), DEFAULT_BATCH_NORM, "batch normalization"),
        "use_bias": Key(TypedValueReader(bool), True, "whether hidden layers have a bias"),
        "bias_initializer": Key(INITIALIZER, INITIALIZER.default("zeros"), "bias initializer"),
        "dropout": Key(TypedValueReader(DropoutRate), 0.0, "dropout after each hidden layer"),
        "output": Key(
            MappingReader(output_keys()),
            {name: key.default for name, key in output_keys().items()},
            "the output layer",
        ),
    }


def check_model(model: Any, context: ReadContext) -> None:
    """Report a model without hidden layers, or with several keys that list them."""
    if not isinstance(model, dict):
        return
    check_user_model(model, built_in_keys(), context)
    if "factory" in model or "keras_file" in model:
        return
    used = [key for key in HIDDEN_LAYER_KEYS if key in model]
    if len(used) > 1:
        context.report(
            ("model", used[-1]),
            f"{' and '.join(used)} both list the hidden layers",
            "keep one of depth (with width), hidden, layers",
            at_key=True,
        )
    elif not used:
        context.report(
            ("model", "depth"),
            "the model has no hidden layers",
            "give depth (with width), hidden or layers; or factory or keras_file for your own",
        )
    if "width" in model and used == ["hidden"]:
        context.report(
            ("model", "width"),
            "width goes with depth; hidden already has every width",
            "remove width",
            at_key=True,
        )
    if used == ["layers"]:
        _check_units(model, context)


def _check_units(model: dict[str, Any], context: ReadContext) -> None:
    layers = model["layers"]
    if "width" in model or not isinstance(layers, list):
        return
    for index, layer in enumerate(layers):
        if isinstance(layer, dict) and "units" not in layer:
            context.report(
                ("model", "layers", index, "units"),
                "is required",
                "add `units:` here, or `width:` to the model",
            )
