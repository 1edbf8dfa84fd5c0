"""`-s KEY=VALUE`: what it replaces, what it drops, how its mistakes are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradscope.config import ExperimentConfig
from tests.each_case import each_case

Load = Callable[..., ExperimentConfig]
Problems = Callable[..., Sequence[str]]
FILE = (
    "model: {hidden: [30, 10], activation: relu}\n"
    "training: {optimizer: {name: sgd, learning_rate: 0.5}, epochs: 2}\n"
)


def test_values_follow_the_yaml_rules(load: Load) -> None:
    config = load(
        FILE,
        "training.learning_rate=1e-3",
        "training.jit=off",
        "data.name=keras:mnist",
        "model.output={units: 3, activation: softmax}",
        "name=x",
    )
    assert config.training.optimizer.parameters["learning_rate"] == 0.001
    assert config.training.jit == "off"
    assert config.data.name == "keras:mnist"
    assert config.model.output.units == 3
    assert config.name == "x"


def test_a_depth_drops_the_other_ways(load: Load) -> None:
    assert len(load(FILE, "model.depth=50").model.hidden_layers) == 50
    assert load("model: {depth: 3, width: 4}", "model.hidden=[7]").model.hidden_layers[0].units == 7
    layers = load(
        "model: {depth: 3, width: 4}", "model.layers=[{dropout: 0.5}]"
    ).model.hidden_layers
    assert [layer.units for layer in layers] == [4]


def test_steps_drop_epochs_and_back(load: Load) -> None:
    assert load(FILE, "training.steps=7").training.epochs is None
    assert load(FILE).training.epochs == 2
    assert (
        load("model: {depth: 1}\ntraining: {steps: 3}", "training.epochs=4").training.steps is None
    )


def test_an_index_reaches_into_lists(load: Load) -> None:
    assert load(FILE, "model.hidden[1]=99").model.hidden_layers[1].units == 99
    text = "model: {layers: [{units: 1}, {units: 2, activation: leaky_relu}]}"
    config = load(text, "model.layers[1].activation.negative_slope=0.5", "model.layers[0].units=8")
    assert config.model.hidden_layers[0].units == 8
    assert config.model.hidden_layers[1].activation.parameters == {"negative_slope": 0.5}


def test_a_key_inside_a_bare_word_keeps_the_word(load: Load) -> None:
    config = load(
        "model: {depth: 2, batch_norm: after_activation}",
        "model.batch_norm.every=2",
        "training.optimizer.momentum=0.9",
        "data.scaling=unit",
    )
    assert [layer.batch_norm for layer in config.model.hidden_layers] == [
        "none",
        "after_activation",
    ]
    assert config.training.optimizer.name == "sgd"
    assert config.training.optimizer.parameters["momentum"] == 0.9
    assert (config.data.name, config.data.scaling) == ("fashion_mini", "unit")


def test_the_last_of_two_wins(load: Load) -> None:
    assert load(FILE, "seed=1", "seed=2").seed == 2


def test_an_override_repairs_a_bad_file_value(load: Load) -> None:
    assert load("model: {depth: x}", "model.depth=2").model.hidden_layers[1].units == 100


@each_case(
    ("flag", "message"),
    [
        (
            "model.depht=50",
            "-s model.depht=50: error: model.depht: unknown key 'depht' (did you mean 'depth'?)",
        ),
        (
            "model.depth=0",
            "-s model.depth=0: error: model.depth: expected a whole number from 1 to "
            "900, received 0",
        ),
        (
            "model.depth=",
            "-s model.depth=: error: model.depth: expected a whole number from 1 to "
            "900, received nothing (null)",
        ),
        (
            "depth",
            "-s depth: error: expected KEY=VALUE, received 'depth' (as in -s model.depth=50)",
        ),
        ("=3", "-s =3: error: expected KEY=VALUE, received '=3' (as in -s model.depth=50)"),
        (
            "a..b=3",
            "-s a..b=3: error: expected KEY=VALUE, received 'a..b=3' (as in -s model.depth=50)",
        ),
        (
            "seed.x=1",
            "-s seed.x=1: error: seed.x: seed is 5, it has no key 'x' (give the whole "
            "value instead)",
        ),
        (
            "model.hidden[2]=1",
            "-s model.hidden[2]=1: error: model.hidden[2]: model.hidden has "
            "indices 0 to 1 (give the whole list instead)",
        ),
        (
            "model.activation.slope=1",
            "-s model.activation.slope=1: error: model.activation.slope: "
            "unknown key 'slope' for elu (known: alpha)",
        ),
        (
            "seed=[1",
            "-s seed=[1: error: seed: this is not YAML: expected ',' or ']', but got "
            "'<stream end>'",
        ),
        ("seed=*a", "-s seed=*a: error: seed: alias '*a' is not allowed (write the value out)"),
        (
            "model.width=3",
            "-s model.width=3: error: model.width: width goes with depth; hidden "
            "already has every width (remove width)",
        ),
        (
            "seed=\udcff",
            "-s seed=\\udcff: error: seed: this is not YAML: unacceptable character "
            "#xdcff: special characters are not allowed",
        ),
    ],
)
def test_mistakes_name_the_flag(
    problems: Callable[..., Sequence[str]], flag: str, message: str
) -> None:
    text = "model: {hidden: [3, 4], activation: elu}\nseed: 5\n"
    assert problems(text, flag) == [message]


def test_two_overrides_that_contradict_are_an_error(
    problems: Callable[..., Sequence[str]],
) -> None:
    (message,) = problems(FILE, "model.depth=3", "model.hidden=[4]")
    assert message.startswith("-s model.hidden=[4]: error: model.hidden: depth and hidden both")


def test_overrides_on_an_empty_file(load: Load) -> None:
    assert len(load("", "model.depth=3").model.hidden_layers) == 3


def test_a_layer_does_not_guess_its_activation(problems: Callable[..., Sequence[str]]) -> None:
    (message,) = problems(
        "model: {activation: tanh, layers: [{units: 1}]}",
        "model.layers[0].activation.negative_slope=0.5",
    )
    assert "the activation has no name" in message


@each_case(
    ("text", "flag", "message"),
    [
        (
            "model: {layers: [{units: 3}]}",
            "model.layers[1].units=33",
            "model.layers[1]: model.layers has indices 0 to 0 (give the whole list instead)",
        ),
        (
            "model: {depth: 3}",
            "model.layers[1].units=33",
            "model.layers[1]: model.layers has no items (give the whole list instead)",
        ),
        (
            "model: {depth: 3}",
            "model.hidden[0]=33",
            "model.hidden[0]: model.hidden has no items (give the whole list instead)",
        ),
        (
            "model: {depth: 3}",
            "training.optimizer.name.x=1",
            "training.optimizer.name.x: training.optimizer.name is 'sgd', it has no key 'x' "
            "(give the whole value instead)",
        ),
    ],
)
def test_an_index_out_of_range_is_one_mistake(
    problems: Callable[..., Sequence[str]], text: str, flag: str, message: str
) -> None:
    assert problems(text, flag) == [f"-s {flag}: error: {message}"]


def test_a_flag_that_fails_spoils_no_other(problems: Problems) -> None:
    flags = ("model.hidden[0]=33", "model.hidden=[4]")
    assert len(problems("model: {depth: 3}", *flags)) == 1
    assert len(problems("model: {depth: 3}", *flags, "seed=-1")) == 2


def test_a_flag_given_twice_is_one_mistake(problems: Problems) -> None:
    assert problems("model: {depth: 3}", "depth", "depth") == [
        "-s depth: error: expected KEY=VALUE, received 'depth' (as in -s model.depth=50)"
    ]


def test_the_two_keys_of_the_learning_rate_drop_each_other(load: Load) -> None:
    text = "model: {depth: 1}\ntraining: {learning_rate: 0.5, optimizer: sgd}"
    optimizer = load(text, "training.optimizer.learning_rate=0.25").training.optimizer
    assert optimizer.parameters["learning_rate"] == 0.25
    text = "model: {depth: 1}\ntraining: {optimizer: {name: sgd, learning_rate: 0.5}}"
    optimizer = load(text, "training.learning_rate=0.25").training.optimizer
    assert optimizer.parameters["learning_rate"] == 0.25
