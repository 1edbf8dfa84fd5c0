"""The JSON Schema of what may be written in a config, for editors and other checkers."""

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
        "oneOf": _ways(),
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
        **_shared(schema),
    }


_AUTOMATIC: Final[Schema] = {
    "required": ["optimizer"],
    "properties": {"optimizer": {"const": "auto"}},
}
"""What only a model that may be compiled already can be told."""


def _ways() -> list[Schema]:
    """Describe the ways to say what the model is, and which keys each of them rules out."""
    own = list(USER_MODEL_KEYS)
    return [
        *(_way(way[0], own) for way in HIDDEN_LAYER_KEYS),
        _way("factory", [*built_in_keys()]),
        _way("keras_file", [*built_in_keys(), "arguments"]),
    ]


def _way(key: str, rivals: list[str]) -> Schema:
    return {"required": [key], "not": {"anyOf": [{"required": [name]} for name in rivals]}}


def _shared(schema: dict[str, Any]) -> dict[str, Any]:
    """Move what stands in many places (activations, initializers) into `$defs`."""
    model = schema["properties"]["model"]["properties"]
    layer = model["layers"]["items"]["properties"]
    output = model["output"]["properties"]
    shared = {
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
    return {**schema, "$defs": shared}
