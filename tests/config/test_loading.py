"""What a good config resolves to, and how bad files are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gradscope.config import (
    ExperimentConfig,
    RegisteredFunctions,
    load_config,
    resolve_with_origins,
)
from gradscope.config.document.document import MAXIMUM_NODES
from gradscope.config.document.mapping_document import document_from_mapping
from gradscope.config.document.yaml_reader import read_yaml
from gradscope.config.loading import run_name_from
from gradscope.errors import ConfigError

Load = Callable[..., ExperimentConfig]

FULL = """\
name: quickstart
model:
  depth: 4
  width: 100
  activation: {name: leaky_relu, negative_slope: 1}
  initializer: {name: variance_scaling, scale: 2.0, mode: fan_avg, distribution: uniform}
  batch_norm: {placement: before_activation, momentum: 0.9, epsilon: 1e-3, input: true, every: 2}
  use_bias: false
  bias_initializer: {name: constant, value: 0.5}
  dropout: 0.25
  output: {units: 10, activation: softmax, initializer: he_normal}
data: {name: gaussian, samples: 50, scaling: none}
training:
  optimizer: {name: adam, clipnorm: 1}
  learning_rate: 1e-2
  batch_size: 16
  epochs: 5
  loss: mse
  jit: on
  record_every: 3
  probe_samples: 20
seed: 7
device: cpu
threads: 0
detectors:
  select: [GS101, dead_units]
  ignore: [{code: dead_units, reason: "known"}]
  vanishing_gradient: {threshold: 1}
"""


def test_every_key_arrives(load: Load) -> None:
    config = load(FULL)
    layer = config.model.hidden_layers[0]
    assert config.name == "quickstart"
    assert len(config.model.hidden_layers) == 4
    assert (layer.units, layer.dropout, layer.use_bias) == (100, 0.25, False)
    assert layer.activation.name == "leaky_relu"
    assert layer.activation.parameters == {"negative_slope": 1.0}
    assert type(layer.activation.parameters["negative_slope"]) is float
    assert layer.initializer.parameters == {
        "scale": 2.0,
        "mode": "fan_avg",
        "distribution": "uniform",
    }
    assert layer.bias_initializer.parameters == {"value": 0.5}
    placements = [item.batch_norm for item in config.model.hidden_layers]
    assert placements == ["none", "before_activation", "none", "before_activation"]
    assert config.model.batch_norm.input
    assert config.model.output.units == 10
    assert config.model.output.activation != "auto"
    assert config.data.parameters == {"samples": 50, "features": 100, "noise": 0.0, "seed": None}
    assert config.data.scaling == "none"
    training = config.training
    assert training.optimizer.parameters["learning_rate"] == 0.01
    assert training.optimizer.parameters["clipnorm"] == 1.0
    assert training.optimizer.parameters["beta_2"] == 0.999
    assert (training.steps, training.epochs) == (None, 5)
    assert (training.loss, training.jit) == ("mean_squared_error", "on")
    assert (training.record_every, training.probe_samples, training.batch_size) == (3, 20, 16)
    assert (config.seed, config.device, config.threads) == (7, "cpu", 0)
    assert config.detectors.select == ("vanishing_gradient", "dead_units")
    assert config.detectors.ignore[0].code == "GS203"
    assert config.detectors.thresholds == {"vanishing_gradient": {"threshold": 1.0}}


def test_defaults_are_the_documented_ones(load: Load) -> None:
    config = load("model: {depth: 2}")
    layer = config.model.hidden_layers[1]
    assert config.name == "c"
    assert (layer.units, layer.activation.name, layer.initializer.name) == (
        100,
        "relu",
        "he_normal",
    )
    assert (layer.bias_initializer.name, layer.use_bias, layer.dropout) == ("zeros", True, 0.0)
    assert layer.batch_norm == "none"
    assert config.model.output.units == config.model.output.activation == "auto"
    assert config.data.name == "fashion_mini"
    assert config.training.optimizer.name == "sgd"
    assert config.training.optimizer.parameters["learning_rate"] == 0.01
    assert (config.training.steps, config.training.epochs) == (300, None)
    assert (config.seed, config.device, config.threads) == (42, "auto", 1)


def test_layers_inherit_what_they_do_not_say(load: Load) -> None:
    config = load(
        "model:\n"
        "  width: 7\n  activation: tanh\n  dropout: 0.5\n  use_bias: true\n"
        "  batch_norm: {placement: after_activation, every: 2}\n"
        "  layers:\n"
        "  - {units: 3, activation: swish, dropout: 0, use_bias: false}\n"
        "  - {batch_norm: before_activation}\n"
        "  - {batch_norm: before_activation, initializer: zeros, bias_initializer: ones}\n"
        "  - {batch_norm: none}\n"
    )
    first, second, third, fourth = config.model.hidden_layers
    assert (first.units, first.activation.name, first.dropout) == (3, "silu", 0.0)
    assert not first.use_bias
    assert first.batch_norm == "none"
    assert (second.units, second.activation.name, second.dropout) == (7, "tanh", 0.5)
    assert second.batch_norm == third.batch_norm == "before_activation"
    assert (third.initializer.name, third.bias_initializer.name) == ("zeros", "ones")
    assert fourth.batch_norm == "none"


@pytest.mark.parametrize(
    ("word", "jit"),
    [("on", "on"), ("off", "off"), ("true", "on"), ("false", "off"), ("auto", "auto")],
)
def test_jit_takes_words_and_booleans(load: Load, word: str, jit: str) -> None:
    assert load(f"model: {{depth: 1}}\ntraining: {{jit: {word}}}").training.jit == jit


def test_relative_paths_start_at_the_config(
    tmp_path: Path, registered: RegisteredFunctions
) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    file = folder / "c.yaml"
    file.write_text("model: {depth: 1}\ndata: {name: csv, path: d/x.csv}")
    config = load_config(file, registered=registered)
    assert config.data.parameters["path"] == str(folder / "d/x.csv")
    file.write_text("model: {depth: 1}\ndata: {name: csv, path: /abs/x.csv}")
    assert load_config(file, registered=registered).data.parameters["path"] == "/abs/x.csv"


def test_without_registered_functions_any_name_is_taken() -> None:
    source = {
        "model": {"depth": 1},
        "data": {"name": "mine", "anything": [1, 2]},
        "detectors": {"select": ["mine"], "mine": {"x": 1}},
    }
    config = load_config(source)
    assert config.data.parameters == {"anything": [1, 2]}
    assert config.detectors.thresholds == {"mine": {"x": 1}}
    assert ExperimentConfig.from_dict(config.to_dict()) == config


def test_round_trip_is_exact(load: Load) -> None:
    for text in (FULL, "model: {depth: 1}", "model: {hidden: [3, 4], activation: gelu}"):
        config = load(text)
        sent = json.loads(json.dumps(config.to_dict()))
        again = ExperimentConfig.from_dict(sent)
        assert again == config
        assert again.hash == config.hash
        assert json.dumps(again.to_dict()) == json.dumps(config.to_dict())


def test_the_hash_ignores_the_name_the_budgets_and_the_way_of_writing(load: Load) -> None:
    base = load("model: {depth: 2, width: 5}")
    assert load("name: other\nmodel: {hidden: [5, 5]}").hash == base.hash
    assert load("model: {depth: 2, width: 5}\nexpect: {max_loss: 1}").hash == base.hash
    assert load("model: {depth: 2, width: 6}").hash != base.hash
    assert load("model: {depth: 2, width: 5}\nseed: 1").hash != base.hash
    assert load("model: {depth: 2, width: 5}\nthreads: 2").hash != base.hash


def test_the_hash_does_not_depend_on_where_the_checkout_is(
    tmp_path: Path, registered: RegisteredFunctions
) -> None:
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "c.yaml"
        file.write_text("model: {depth: 1}\ndata: {name: csv, path: x.csv}")
        hashes.add(load_config(file, registered=registered).hash)
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree.pop("seed"),
        lambda tree: tree.update(extra=1),
        lambda tree: tree.update(seed="7"),
        lambda tree: tree["model"].update(hidden_layers=[1]),
        lambda tree: tree["training"].update(batch_size=1.5),
        lambda tree: tree["training"].update(jit="maybe"),
        lambda tree: tree["model"]["batch_norm"].update(epsilon=float("nan")),
        lambda tree: tree.update(seed=object()),
    ],
)
def test_a_changed_dictionary_is_not_restored(load: Load, change: Callable[..., object]) -> None:
    tree = load(FULL).to_dict()
    change(tree)
    with pytest.raises(ConfigError, match="resolved config: error"):
        ExperimentConfig.from_dict(tree)


@pytest.mark.parametrize(
    ("stem", "slug"),
    [
        ("relu_he_20", "relu_he_20"),
        ("my net (1)", "my-net-1"),
        ("...", "experiment"),
        ("-rf", "rf"),
        ("con", "experiment"),
        ("é" * 3, "experiment"),
        ("x" * 99, "x" * 80),
    ],
)
def test_the_name_comes_from_the_file(stem: str, slug: str) -> None:
    assert run_name_from(stem) == slug


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text("model: {depth: 1}")
    os.mkfifo(tmp_path / "zfifo.yaml")
    for name, words in [
        ("quikstart.yaml", "no such file .did you mean '.*quickstart.yaml'"),
        ("no/such.yaml", "no such file .there is no folder"),
        ("", "is a directory, not a config file .it holds quickstart.yaml"),
        ("zfifo.yaml", "is not a regular file"),
        ("quickstart.yaml/x", "cannot be read: Not a directory"),
        ("a\0b", "cannot be read"),
        ("x" * 300, "cannot be read: File name too long"),
    ]:
        with pytest.raises(ConfigError, match=words) as caught:
            load_config(tmp_path / name)
        assert caught.value.problems[0].remedy
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"model": {"depth": 10**5000}},
        {"model": {"depth": object()}},
        {"model": {1: 2}},
        {"model": {"depth": 3}, "seed": float("nan")},
        {"model": {"depth": 3}, "data": {"name": "x", "a": float("inf")}},
    ],
)
def test_bad_mappings_are_refused(source: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        load_config(source)


def test_a_mapping_that_holds_itself_is_refused() -> None:
    loop: dict[str, object] = {}
    loop["model"] = loop
    with pytest.raises(ConfigError, match="too large or too deep"):
        load_config(loop)


def test_mappings_and_yaml_are_nested_equally_deep() -> None:
    for depth in (32, 33):
        arguments: dict[str, object] = {"leaf": 1}
        for _ in range(depth - 3):
            arguments = {"x": arguments}
        tree = {"model": {"factory": "a:b", "arguments": arguments}}
        document = document_from_mapping(tree)
        text = json.dumps(tree)
        assert bool(document.problems) == bool(read_yaml(text, "f").problems) == (depth == 33)


def test_values_are_counted_to_the_limit() -> None:
    for size in (MAXIMUM_NODES - 1, MAXIMUM_NODES):
        values = [0] * size  # the list counts too
        in_yaml = read_yaml(json.dumps(values), "f").problems
        assert [p.message for p in in_yaml] == (
            [] if size < MAXIMUM_NODES else ["more than 10000 values in one config"]
        )


def test_thresholds_that_are_not_set_stay_out(load: Load) -> None:
    assert load("model: {depth: 1}\ndetectors: {dead_units: {}}").detectors.thresholds == {}


def test_origins_say_where_each_value_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registered: RegisteredFunctions
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(FULL)
    found = resolve_with_origins(
        "c.yaml", ["seed=9", "model.activation.negative_slope=0.2"], registered
    )
    origins = found.origins
    assert origins["seed"] == "-s seed=9"
    slope = "model.hidden_layers[0].activation.parameters.negative_slope"
    assert origins[slope] == "-s model.activation.negative_slope=0.2"
    assert origins["model.hidden_layers[3].activation.name"] == "c.yaml:5"
    assert origins["model.hidden_layers[0].units"] == "c.yaml:4"
    assert origins["model.hidden_layers[0].batch_norm"] == "c.yaml:7"
    assert origins["training.optimizer.parameters.learning_rate"] == "c.yaml:15"
    assert origins["training.optimizer.parameters.clipnorm"] == "c.yaml:14"
    assert origins["training.optimizer.parameters.beta_1"] == "default"
    assert origins["training.steps"] == "default"
    assert origins["data.parameters.samples"] == "c.yaml:12"
    assert origins["data.parameters.features"] == "default"
    assert origins["detectors.thresholds.vanishing_gradient.threshold"] == "c.yaml:28"
    assert origins["detectors.select[1]"] == "c.yaml:26"


def test_origins_of_the_largest_network_are_quick(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    items = "\n".join("  - {units: 2, activation: {name: relu}}" for _ in range(440))
    file.write_text(f"model:\n  layers:\n{items}\n")
    started = time.process_time()
    resolve_with_origins(file)
    assert time.process_time() - started < 50


def test_loading_is_light() -> None:
    code = (
        "import sys, time; import gradscope.config as c;"
        "c.load_config({'model': {'depth': 20}});"
        "bad = {'numpy', 'tensorflow', 'keras', 'matplotlib'} & set(sys.modules);"
        "sys.exit(f'imported {bad}' if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
