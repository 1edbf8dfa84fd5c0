"""The JSON Schema says what the reader does: the same texts pass, the same fail."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gradscope.config import RegisteredFunctions, json_schema, load_config
from gradscope.config.document.document import INVALID
from gradscope.config.document.yaml_reader import read_yaml
from gradscope.errors import ConfigError
from tests.each_case import each_case

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """A small validator for the words of JSON Schema that the config uses."""
    known = {
        "$ref",
        "$defs",
        "$schema",
        "title",
        "description",
        "default",
        "type",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "not",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "pattern",
        "format",
    }
    assert set(schema) <= known, set(schema) - known
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return fits(value, root["$defs"][name], root)
    return all(
        (
            _fits_type(value, schema),
            "enum" not in schema or any(_same(value, item) for item in schema["enum"]),
            "const" not in schema or _same(value, schema["const"]),
            "anyOf" not in schema or any(fits(value, arm, root) for arm in schema["anyOf"]),
            "oneOf" not in schema or sum(fits(value, arm, root) for arm in schema["oneOf"]) == 1,
            "not" not in schema or not fits(value, schema["not"], root),
            _fits_mapping(value, schema, root),
            _fits_list(value, schema, root),
            _fits_number(value, schema),
            not isinstance(value, str) or re.search(schema.get("pattern", ""), value) is not None,
        )
    )


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _fits_type(value: Any, schema: dict[str, Any]) -> bool:
    if "type" not in schema:
        return True
    if isinstance(value, bool):
        return bool(schema["type"] == "boolean")
    return isinstance(value, TYPES[schema["type"]])


def _fits_mapping(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if not isinstance(value, dict):
        return True
    own = schema.get("properties", {})
    extra = [key for key in value if key not in own]
    return (
        all(key in value for key in schema.get("required", ()))
        and (not extra or schema.get("additionalProperties", True) is True)
        and all(fits(value[key], own[key], root) for key in value if key in own)
    )


def _fits_list(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if not isinstance(value, list):
        return True
    return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9) and all(
        fits(item, schema.get("items", {}), root) for item in value
    )


def _fits_number(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return True
    return (
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
    )


GOOD = [
    "model: {depth: 20, width: 100, activation: sigmoid, initializer: glorot_uniform}",
    "model: {hidden: [300, 100], batch_norm: {placement: after_activation, input: true}}",
    "model: {hidden: [300], batch_norm: before_activation, use_bias: false}",
    "model: {depth: 5, initializer: {name: random_normal, stddev: 0.1}}",
    "model: {layers: [{units: 3, activation: {name: leaky_relu, negative_slope: 0.2}}, {units: "
    "2}]}",
    "model: {depth: 2, activation: swish, output: {units: 1, activation: sigmoid}}",
    "model: {depth: 2, output: {activation: softmax, initializer: zeros}}",
    "model: {depth: 2}\ndata: fashion_mini",
    "model: {depth: 2}\ndata: {name: gaussian, samples: 10, seed: 3, scaling: none}",
    "model: {depth: 2}\ndata: {name: csv, path: x.csv, task: regression}",
    "model: {depth: 2}\ndata: {scaling: unit}",
    "model: {depth: 2}\ntraining: {optimizer: {name: adam, clipnorm: 1.0}, epochs: 3, jit: true}",
    "model: {depth: 2}\ntraining: {optimizer: sgd, learning_rate: 1e-2, steps: 3, loss: mse}",
    "model: {depth: 2}\ndetectors: {}",
    "model: {depth: 2}\ndetectors: {select: [GS101], vanishing_gradient: {threshold: 1e-4},"
    " ignore: [{code: dead_units, reason: known}]}",
    "model: {factory: 'a.b:c'}",
    "model: {factory: 'a:b.c', arguments: {width: 3, deep: {x: [1]}}}\ndata: {factory: 'a:b'}",
    "model: {keras_file: x.keras}\ntraining: {optimizer: auto}",
    "model: {factory: 'a:b'}\ndata: {factory: 'a:b', arguments: {}}\ntraining: {optimizer: adam, "
    "learning_rate: 0.1}",
    "name: a.b-c\nmodel: {depth: 2}\nseed: 0\ndevice: cpu\nthreads: 0",
]
BAD = [
    "{}",
    "model: {}",
    "model: {depth: 2, hidden: [3]}",
    "model: {depth: 0}",
    "model: {depth: 2, activation: softmax}",
    "model: {depth: 2, activation: {name: relu, nope: 1}}",
    "model: {depth: 2, activation: {negative_slope: 1}}",
    "model: {depth: 2, dropout: 1.0}",
    "model: {depth: 2, batch_norm: {momentum: 1}}",
    "model: {depth: 2, batch_norm: {placement: none, epsilon: 0}}",
    "model: {hidden: []}",
    "model: {depth: 2}\ndata: nope",
    "model: {depth: 2}\ndata: {name: csv}",
    "model: {depth: 2}\ndata: {samples: 10}",
    "model: {depth: 2}\ndata: {name: gaussian, path: x}",
    "model: {depth: 2}\ntraining: {steps: 1, epochs: 1}",
    "model: {depth: 2}\ntraining: {learning_rate: 0}",
    "model: {depth: 2}\ntraining: {jit: maybe}",
    "model: {depth: 2}\ndetectors: {select: []}",
    "model: {depth: 2}\ndetectors: {dead_units: {share: 2}}",
    "model: {depth: 2}\ndetectors: {ignore: [{code: GS101}]}",
    "model: {depth: 2}\nseed: -1",
    "name: a/b\nmodel: {depth: 2}",
    "nme: a\nmodel: {depth: 2}",
    "model: {factory: 'a'}",
    "model: {factory: 'a/b.py:c'}",
    "model: {factory: 'a:b', depth: 2}",
    "model: {factory: 'a:b', keras_file: x.keras}",
    "model: {factory: 'a:b', activation: relu}",
    "model: {factory: 'a:b', arguments: [1]}",
    "model: {factory: 'a:b', trust: true}",
    "model: {keras_file: x.keras, arguments: {}}",
    "model: {arguments: {}, depth: 2}",
    "model: {depth: 2}\ntraining: {optimizer: auto}",
    "model: {depth: 2}\ndata: {factory: 'a:b', scaling: none}",
    "model: {depth: 2}\ndata: {factory: 'a:b', name: csv}",
    "model: {depth: 2}\ndata: {arguments: {}}",
]


@pytest.fixture(scope="module")
def schema(registered: RegisteredFunctions) -> dict[str, Any]:
    return json_schema(registered)


@each_case("text", GOOD)
def test_good_configs_fit_and_load(
    text: str, registered: RegisteredFunctions, schema: dict[str, Any]
) -> None:
    tree = read_yaml(text, "f").tree
    load_config(tree, registered=registered)
    assert fits(tree, schema, schema)


@each_case("text", BAD)
def test_bad_configs_neither_fit_nor_load(
    text: str, registered: RegisteredFunctions, schema: dict[str, Any]
) -> None:
    tree = read_yaml(text, "f").tree
    assert tree is not INVALID
    with pytest.raises(ConfigError):
        load_config(tree, registered=registered)
    assert not fits(tree, schema, schema)


def test_the_schema_is_json_and_describes_every_key(schema: dict[str, Any]) -> None:
    schema = json.loads(json.dumps(schema, allow_nan=False))
    assert schema["$schema"].endswith("2020-12/schema")
    for section in (schema, schema["properties"]["model"], schema["properties"]["training"]):
        for name, key in section["properties"].items():
            assert key.get("description"), name


def test_without_a_vocabulary_data_is_open() -> None:
    schema = json_schema(None)
    own = {"model": {"depth": 1}, "data": {"factory": "a:b", "arguments": {"x": 1}}}
    assert fits(own, schema, schema)
    assert not fits({**own, "data": {"factory": "a:b", "x": 1}}, schema, schema)
    tree = {"model": {"depth": 1}, "data": {"name": "mine", "x": 1}, "detectors": {"mine": {}}}
    assert fits(tree, schema, schema)
