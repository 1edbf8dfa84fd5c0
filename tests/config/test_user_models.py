"""A model and data of one's own: how they are written, what they become, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from gradscope.config import (
    ExperimentConfig,
    OptimizerSpec,
    check_size,
    load_config,
    resolve_with_origins,
)
from tests.each_case import each_case

Load = Callable[..., ExperimentConfig]
Problems = Callable[..., Sequence[str]]
OWN = (
    "model: {factory: 'nets.small:build', arguments: {width: 8, names: [a, b], deep: {x: null}}}\n"
)


def test_a_factory_arrives(load: Load, tmp_path: Path) -> None:
    config = load(OWN + "data: {factory: 'nets:data.load', arguments: {n: 3}}")
    source = config.model.source
    assert source is not None
    assert source.factory == "nets.small:build"
    assert source.arguments == {"width": 8, "names": ["a", "b"], "deep": {"x": None}}
    assert (source.keras_file, source.folder) == (None, str(tmp_path))
    assert config.model.hidden_layers == ()
    assert (config.data.name, config.data.scaling) == ("factory", "none")
    assert config.data.parameters == {
        "factory": "nets:data.load",
        "arguments": {"n": 3},
        "folder": str(tmp_path),
    }
    assert config.training.optimizer == config.training.loss == "auto"
    assert ExperimentConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_keras_file_starts_at_the_folder_of_the_config(load: Load, tmp_path: Path) -> None:
    source = load("model: {keras_file: sub/m.keras}").model.source
    assert source is not None
    assert source.keras_file == str(tmp_path / "sub/m.keras")
    assert (source.factory, source.arguments, source.folder) == (None, {}, None)


def test_the_optimizer_is_the_models_own_unless_one_is_named(load: Load) -> None:
    assert load(OWN + "training: {optimizer: auto}").training.optimizer == "auto"
    named = load(OWN + "training: {optimizer: adam, learning_rate: 0.5, loss: mse}").training
    assert isinstance(named.optimizer, OptimizerSpec)
    assert (named.optimizer.name, named.optimizer.parameters["learning_rate"]) == ("adam", 0.5)
    assert named.loss == "mean_squared_error"
    built_in = load("model: {depth: 1}\ndata: {factory: 'a:b'}").training.optimizer
    assert isinstance(built_in, OptimizerSpec)
    assert built_in.name == "sgd"


@each_case(
    ("text", "message"),
    [
        (
            "model: {depth: 2, factory: 'a:b'}",
            "c.yaml:1:9: error: model.depth: depth belongs to the built-in network, and factory "
            "gives a whole model (remove it, or pass what the factory needs under arguments)",
        ),
        (
            "model: {keras_file: a.keras, activation: relu, dropout: 0.5}",
            "c.yaml:1:30: error: model.activation: activation, dropout belong to the built-in "
            "network, and keras_file gives a whole model (remove them)",
        ),
        (
            "model: {factory: 'a:b', keras_file: a.keras}",
            "c.yaml:1:25: error: model.keras_file: factory and keras_file both give the whole "
            "model (keep one of them)",
        ),
        (
            "model: {keras_file: a.keras, arguments: {}}",
            "c.yaml:1:30: error: model.arguments: arguments are those of a factory (add factory: "
            "or remove)",
        ),
        (
            "model: {factory: nets/small.py:build}",
            "c.yaml:1:18: error: model.factory: expected package.module:function, received "
            "'nets/small.py:build' (did you mean 'nets.small:build'?)",
        ),
        (
            "model: {factory: nets.build}",
            "c.yaml:1:18: error: model.factory: expected package.module:function, received "
            "'nets.build' (did you mean 'nets:build'?)",
        ),
        (
            "model: {factory: 'a:import'}",
            "c.yaml:1:18: error: model.factory: expected package.module:function, received "
            "'a:import'",
        ),
        (
            "model: {factory: 'a:b', arguments: [1]}",
            "c.yaml:1:36: error: model.arguments: expected a mapping of keyword arguments, "
            "received a list (1 item) ({} is the empty mapping)",
        ),
        (
            "model: {factory: 'a:b', arguments: {no-name: 1}}",
            "c.yaml:1:37: error: model.arguments.no-name: 'no-name' cannot name an argument in "
            "Python",
        ),
        (
            "model: {factory: 'a:b', trust: true}",
            "c.yaml:1:25: error: model.trust: unknown key 'trust' (known here: depth, width, "
            "hidden, layers, activation, initializer, batch_norm, use_bias, bias_initializer, "
            "dropout, output, factory, arguments, keras_file)",
        ),
        (
            OWN + "training: {learning_rate: 0.1}",
            "c.yaml:2:12: error: training.learning_rate: a learning rate belongs to an optimizer, "
            "and this model has its own (name one as training.optimizer, or set the rate where "
            "the model is compiled)",
        ),
        (
            "model: {depth: 2}\ntraining: {optimizer: auto}",
            "c.yaml:2:23: error: training.optimizer: auto is the optimizer that a model of your "
            "own was compiled with (name an optimizer, such as sgd)",
        ),
        (
            "model: {depth: 2}\ndata: {factory: 'a:b', scaling: unit}",
            "c.yaml:2:24: error: data.scaling: scaling does not go with factory, which gives the "
            "data as it is fed (remove it, or pass what the factory needs under arguments)",
        ),
        (
            "model: {depth: 2}\ndata: {arguments: {}, name: csv}",
            "c.yaml:2:8: error: data.arguments: arguments are those of a factory (add factory:)",
        ),
    ],
)
def test_one_mistake(problems: Problems, text: str, message: str) -> None:
    assert "\n".join(problems(text)) == message


def test_overrides_change_from_one_way_to_the_other(load: Load) -> None:
    mlp = "model: {depth: 3, activation: tanh}\ndata: fashion_mini"
    own = load(mlp, "model.factory=a:b", "model.arguments.n=2", "data.factory=c:d")
    assert own.model.source is not None
    assert own.model.source.arguments == {"n": 2}
    assert own.data.parameters["factory"] == "c:d"
    assert load(mlp, "data.arguments.n=4", "data.factory=c:d").data.parameters["arguments"] == {
        "n": 4
    }
    assert len(load(OWN, "model.depth=2").model.hidden_layers) == 2
    assert load(OWN, "model.keras_file=x.keras").model.source != load(OWN).model.source
    changed = load(OWN, "model.arguments.width=9").model.source
    assert changed is not None
    assert changed.arguments["width"] == 9


def test_the_origin_of_every_value_is_known(load: Load) -> None:
    load(OWN)
    origins = resolve_with_origins("c.yaml", ["model.arguments.width=9"]).origins
    assert origins["model.source.factory"] == "c.yaml:1"
    assert origins["model.source.arguments.names[1]"] == "c.yaml:1"
    assert origins["model.source.arguments.width"] == "-s model.arguments.width=9"
    assert origins["training.optimizer"] == origins["model.source.keras_file"] == "default"


def test_the_hash_does_not_depend_on_the_folder(tmp_path: Path) -> None:
    texts = (OWN + "data: {factory: 'a:b'}", "model: {keras_file: m.keras}")
    for text in texts:
        hashes = set()
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            (folder / "c.yaml").write_text(text)
            hashes.add(load_config(folder / "c.yaml").hash)
        assert len(hashes) == 1
    assert (
        load_config({"model": {"factory": "a:b"}}).hash
        != load_config({"model": {"factory": "a:c"}}).hash
    )


def test_the_built_in_network_hashes_as_it_did_before_there_were_others() -> None:
    tree = load_config({"model": {"depth": 2}}).to_dict()
    assert tree["model"].pop("source") is None
    assert ExperimentConfig.from_dict(tree).hash == load_config({"model": {"depth": 2}}).hash


def test_a_model_of_unknown_size_is_not_estimated(load: Load) -> None:
    check_size(load(OWN), features=10**12, available=1)
