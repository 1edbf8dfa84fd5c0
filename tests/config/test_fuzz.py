"""Whatever is written, the answer is a config or a ConfigError."""

from __future__ import annotations

import json
import os
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradscope.config import (
    ExperimentConfig,
    RegisteredFunctions,
    load_config,
    resolve_with_origins,
)
from gradscope.config.document.yaml_reader import read_yaml
from gradscope.config.sections.whole_config import config_keys, read_config
from gradscope.errors import ConfigError

WORDS = st.sampled_from(
    [
        "name",
        "model",
        "data",
        "training",
        "seed",
        "device",
        "threads",
        "detectors",
        "depth",
        "width",
        "hidden",
        "layers",
        "activation",
        "initializer",
        "batch_norm",
        "use_bias",
        "dropout",
        "output",
        "units",
        "optimizer",
        "steps",
        "epochs",
        "loss",
        "jit",
        "learning_rate",
        "clipnorm",
        "relu",
        "leaky_relu",
        "he_normal",
        "sgd",
        "adam",
        "none",
        "placement",
        "before_activation",
        "every",
        "momentum",
        "input",
        "select",
        "ignore",
        "code",
        "reason",
        "GS101",
        "vanishing_gradient",
        "threshold",
        "gaussian",
        "samples",
        "csv",
        "path",
        "factory",
        "arguments",
        "keras_file",
        "a.b:c",
        "auto",
        "on",
        "<<",
        "~",
        "017",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**21), 10**21),
    st.floats(),
    st.text(max_size=8),
    WORDS,
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=25,
)
VALID: dict[str, Any] = {
    "name": "x",
    "model": {
        "layers": [
            {"units": 3, "activation": {"name": "leaky_relu", "negative_slope": 0.1}},
            {"batch_norm": "none", "initializer": {"name": "random_normal", "stddev": 0.1}},
        ],
        "width": 5,
        "batch_norm": {"placement": "after_activation", "momentum": 0.9, "every": 2},
        "output": {"units": 2, "activation": "softmax"},
    },
    "data": {"name": "gaussian", "samples": 3, "scaling": "none"},
    "training": {"optimizer": {"name": "adam", "learning_rate": 0.1}, "steps": 3, "jit": "on"},
    "seed": 1,
    "detectors": {
        "select": ["GS101"],
        "ignore": [{"code": "dead_units", "reason": "r"}],
        "dead_units": {"share": 0.1},
    },
}
OWN: dict[str, Any] = {
    "model": {"factory": "a.b:c", "arguments": {"width": 3, "names": ["x"], "deep": {"on": None}}},
    "data": {"factory": "a:b", "arguments": {"path": "x"}},
    "training": {"optimizer": "auto", "epochs": 1},
}
# GRADSCOPE_FUZZ_EXAMPLES is the number of examples of each test.
EXAMPLES = int(os.environ.get("GRADSCOPE_FUZZ_EXAMPLES", "40"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def check(source: dict[str, Any], registered: RegisteredFunctions | None, *overrides: str) -> None:
    try:
        found = resolve_with_origins(source, overrides, registered)
    except ConfigError as error:
        assert error.problems
        assert all(str(problem).isprintable() for problem in error.problems)
        assert all("pydantic" not in str(problem) for problem in error.problems)
        return
    again = ExperimentConfig.from_dict(json.loads(json.dumps(found.config.to_dict())))
    assert again == found.config


@FUZZ
@given(tree=st.dictionaries(WORDS, TREES, max_size=6))
def test_random_trees(tree: dict[str, Any], registered: RegisteredFunctions) -> None:
    check(tree, registered)
    check(tree, None)


@FUZZ
@given(data=st.data())
def test_mutated_valid_configs(data: st.DataObject, registered: RegisteredFunctions) -> None:
    tree = json.loads(json.dumps(data.draw(st.sampled_from([VALID, OWN]))))
    for _ in range(data.draw(st.integers(1, 3))):
        _mutate(tree, data)
    check(tree, registered)
    check(tree, None)


def _mutate(node: Any, data: st.DataObject) -> None:
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if isinstance(node[key], (dict, list)) and data.draw(st.booleans()):
            node = node[key]
            continue
        action = data.draw(st.sampled_from(["set", "drop", "add"]))
        if action == "set":
            node[key] = data.draw(TREES)
        elif action == "drop":
            del node[key]
        elif isinstance(node, dict):
            node[data.draw(WORDS)] = data.draw(TREES)
        return


@FUZZ
@given(
    path=st.lists(WORDS | st.text(max_size=4), min_size=1, max_size=4),
    index=st.sampled_from(["", "[0]", "[9]", "["]),
    value=st.text(max_size=12),
)
def test_random_overrides(
    path: list[str], index: str, value: str, registered: RegisteredFunctions
) -> None:
    check(json.loads(json.dumps(VALID)), registered, f"{'.'.join(path)}{index}={value}")


@FUZZ
@given(text=st.text(alphabet=st.sampled_from("ab:-[]{},#&*!|>'\"%@?\n\t 0.~<"), max_size=60))
def test_random_text(text: str) -> None:
    document = read_yaml(text, "f")
    assert all(problem.line >= 0 for problem in document.problems)


@FUZZ
@given(raw=st.binary(max_size=60))
def test_random_bytes(raw: bytes) -> None:
    read_yaml(raw, "f")


def test_every_byte_of_a_config_changed(registered: RegisteredFunctions) -> None:
    text = json.dumps(VALID).encode()
    source = random.Random(1)
    for position in range(0, len(text), 3):
        changed = bytearray(text)
        changed[position] = source.randrange(256)
        document = read_yaml(bytes(changed), "f")
        if not document.problems and isinstance(document.tree, dict):
            check(document.tree, registered)


def test_the_unmutated_config_is_valid(registered: RegisteredFunctions) -> None:
    assert load_config(VALID, registered=registered).name == "x"
    assert read_config and config_keys(registered)
