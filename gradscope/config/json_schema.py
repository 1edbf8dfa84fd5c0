"""The JSON Schema of a config, for editors and other checkers."""

from __future__ import annotations

from typing import Any, Final

from gradscope.config.sections.model import HIDDEN_LAYER_KEYS, built_in_keys
from gradscope.config.sections.user_model import USER_MODEL_KEYS
from gradscope.config.sections.whole_config import config_keys
from gradscope.config.value_readers.mapping_reader import MappingReader
from gradscope.config.value_readers.registered_functions import RegisteredFunctions
from gradscope.config.value_readers.value_reader import Schema


def json_schema(registered: RegisteredFunctions | None = None) -> dict[str, Any]:
    """Describe a config as JSON Schema 2020-12: names, ranges and one sentence per key."""
    schema = MappingReader(config_keys(registered)).json_schema()
    schema["properties"]["model"] = {
        **schema["properties"]["model"],
        "oneOf": _model_kinds(),
    }
    training = schema["properties"]["training"]
    schema["properties"]["training"] = {
        **training,
        "not": {"required": ["steps", "epochs"]},
    }
    schema["anyOf"] = [
        {
            "properties": {
                "model": {"anyOf": [{"required": ["factory"]}, {"required": ["keras_file"]}]}
            }
        },
        {"not": {"required": ["training"], "properties": {"training": _AUTOMATIC}}},
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gradscope config",
        "description": "One experiment: the network, the data, the training, the detectors.",
        **_with_definitions(schema),
    }


_AUTOMATIC: Final[Schema] = {
    "required": ["optimizer"],
    "properties": {"optimizer": {"const": "auto"}},
}
"""A training section that only a model of the user, which may be compiled, can have."""


def _model_kinds() -> list[Schema]:
    """Describe the keys that say which model it is, and which keys each of them excludes."""
    return [
        *(_requiring(key, [*USER_MODEL_KEYS]) for key in HIDDEN_LAYER_KEYS),
        _requiring("factory", [*built_in_keys()]),
        _requiring("keras_file", [*built_in_keys(), "arguments"]),
    ]


def _requiring(key: str, excluded: list[str]) -> Schema:
    return {"required": [key], "not": {"anyOf": [{"required": [name]} for name in excluded]}}


def _with_definitions(schema: dict[str, Any]) -> dict[str, Any]:
    """Move the repeated parts (activations, initializers) into `$defs`."""
    model = schema["properties"]["model"]["properties"]
    layer = model["layers"]["items"]["properties"]
    output = model["output"]["properties"]
    definitions = {
        "activation": {"anyOf": model["activation"]["anyOf"]},
        "initializer": {"anyOf": model["initializer"]["anyOf"]},
    }
    for keys, key, name in (
        (model, "activation", "activation"),
        (model, "initializer", "initializer"),
        (model, "bias_initializer", "initializer"),
        (layer, "activation", "activation"),
        (layer, "initializer", "initializer"),
        (layer, "bias_initializer", "initializer"),
        (output, "initializer", "initializer"),
    ):
        description = keys[key].get("description", "")
        keys[key] = {"$ref": f"#/$defs/{name}", "description": description}
    return {**schema, "$defs": definitions}
