"""Golden messages: place, key path, what was received, what is allowed, the nearest name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.each_case import each_case

MODEL = "model: {depth: 3}\n"


@each_case(
    ("text", "message"),
    [
        ("", "c.yaml:1:1: error: the config is empty (it needs at least a model section)"),
        (
            "- a",
            "c.yaml:1:1: error: expected a mapping (name, model, data, training, seed, device, "
            "threads, detectors, expect, sweep), received a list (1 item)",
        ),
        ("seed: 1", "c.yaml:1:1: error: model: is required (add `model:`)"),
        (
            "modle: 1\n" + MODEL,
            "c.yaml:1:1: error: modle: unknown key 'modle' (did you mean 'model'?)",
        ),
        (
            "model: {}",
            "c.yaml:1:1: error: model.depth: the model has no hidden layers (give depth (with "
            "width), hidden or layers; or factory or keras_file for your own)",
        ),
        (
            "model: {depth: 2, hidden: [3]}",
            "c.yaml:1:19: error: model.hidden: depth and hidden both list the hidden layers "
            "(keep one of depth (with width), hidden, layers)",
        ),
        (
            "model: {width: 5, hidden: [3]}",
            "c.yaml:1:9: error: model.width: width goes with depth; hidden already has every "
            "width "
            "(remove width)",
        ),
        (
            "model: {depth: '20'}",
            "c.yaml:1:16: error: model.depth: expected a whole number from 1 to 900, received '20'",
        ),
        (
            "model: {depth: true}",
            "c.yaml:1:16: error: model.depth: expected a whole number from 1 to 900, received true",
        ),
        (
            "model: {depth: 1e1}",
            "c.yaml:1:16: error: model.depth: expected a whole number from 1 to 900, received 10.0 "
            "(write 10)",
        ),
        (
            "model: {depth: 1e20}",
            "c.yaml:1:16: error: model.depth: expected a whole number from 1 to 900, "
            "received 1e+20",
        ),
        (
            "model: {depth: }",
            "c.yaml:1:15: error: model.depth: expected a whole number from 1 to 900, received "
            "nothing (null)",
        ),
        (
            "model: {hidden: []}",
            "c.yaml:1:17: error: model.hidden: expected a list of 1 to 900 items, received an "
            "empty "
            "list",
        ),
        (
            "model: {hidden: [3, 0]}",
            "c.yaml:1:21: error: model.hidden[1]: expected a whole number of at least 1, "
            "received 0",
        ),
        (
            "model: {layers: [{activation: elu}]}",
            "c.yaml:1:18: error: model.layers[0].units: is required (add `units:` here, or "
            "`width:` to "
            "the model)",
        ),
        (
            "model: {layers: [{units: 2, batch_norm: {placement: none}}]}",
            "c.yaml:1:41: error: model.layers[0].batch_norm: expected one of none, "
            "before_activation, "
            "after_activation, received a mapping (momentum, epsilon and input stand in "
            "model.batch_norm)",
        ),
        (
            "model: {depth: 3, activation: softmax}",
            "c.yaml:1:31: error: model.activation: 'softmax' is for the output layer only; set "
            "it as "
            "model.output.activation",
        ),
        (
            "model: {depth: 3, activation: {name: leaky_relu, alpha: 1}}",
            "c.yaml:1:50: error: model.activation.alpha: unknown key 'alpha' for leaky_relu "
            "(known: "
            "negative_slope)",
        ),
        (
            "model: {depth: 3, activation: {negative_slope: 1}}",
            "c.yaml:1:19: error: model.activation.name: the activation has no name (add `name:`)",
        ),
        (
            "model: {depth: 3, initializer: {name: random_normal, stdev: 1}}",
            "c.yaml:1:54: error: model.initializer.stdev: unknown key 'stdev' for random_normal "
            "(did "
            "you mean 'stddev'?)",
        ),
        (
            "model: {depth: 3, batch_norm: befor_activation}",
            "c.yaml:1:31: error: model.batch_norm: expected one of none, before_activation, "
            "after_activation, received 'befor_activation' (did you mean 'before_activation'?)",
        ),
        (
            "model: {depth: 3, initializer: {name: zeros, nmae: x}}",
            "c.yaml:1:46: error: model.initializer.nmae: unknown key 'nmae' for zeros (did you "
            "mean 'name'?)",
        ),
        (
            "model: {width: 5, hidden: [0]}",
            "c.yaml:1:9: error: model.width: width goes with depth; hidden already has every "
            "width (remove width)\n"
            "c.yaml:1:28: error: model.hidden[0]: expected a whole number of at least 1, "
            "received 0",
        ),
        (
            "model: {depth: 3, batch_norm: off}",
            "c.yaml:1:31: error: model.batch_norm: expected one of none, before_activation, "
            "after_activation, received 'off' (write none)",
        ),
        (
            "model: {depth: 3, batch_norm: {momentum: 0.9}}",
            "c.yaml:1:19: error: model.batch_norm.placement: is required (add `placement:`)",
        ),
        (
            "model: {depth: 3, batch_norm: {placement: none, epsilon: 0}}",
            "c.yaml:1:58: error: model.batch_norm.epsilon: expected a number above 0, received 0",
        ),
        (
            "model: {depth: 3, use_bias: yes}",
            "c.yaml:1:29: error: model.use_bias: expected true or false, received 'yes' (write "
            "true)",
        ),
        (
            "model: {depth: 3, dropout: 1.0}",
            "c.yaml:1:28: error: model.dropout: expected a number from 0 up to but not including "
            "1, "
            "received 1.0",
        ),
        (
            MODEL + "data: fashion-mini",
            "c.yaml:2:7: error: data: 'fashion-mini' is not a known data set; expected one of "
            "fashion_mini, gaussian, csv, keras:mnist (did you mean 'fashion_mini'?)",
        ),
        (
            MODEL + "data: {name: gaussian, samples: 0}",
            "c.yaml:2:33: error: data.samples: expected a whole number from 1 to 10000, received 0",
        ),
        (
            MODEL + "data: {name: gaussian, noise: 'x', sample: 1}",
            "c.yaml:2:31: error: data.noise: expected a number, received 'x'\n"
            "c.yaml:2:36: error: data.sample: unknown key 'sample' (did you mean 'samples'?)",
        ),
        (MODEL + "data: {name: csv}", "c.yaml:2:1: error: data.path: is required (add `path:`)"),
        (
            MODEL + "data: {scaling: Standardise}",
            "c.yaml:2:17: error: data.scaling: expected one of standardize, unit, minmax, none, "
            "received 'Standardise' (did you mean 'standardize'?)",
        ),
        (
            MODEL + "training: {learning_rate: 0}",
            "c.yaml:2:27: error: training.learning_rate: expected a number above 0 and "
            "at most 3.4e+38, received 0",
        ),
        (
            MODEL + "training: {learning_rate: .inf}",
            "c.yaml:2:27: error: training.learning_rate: expected a number above 0 and "
            "at most 3.4e+38, received inf (numbers must be finite)",
        ),
        (
            MODEL + "training: {learning_rate: .nan}",
            "c.yaml:2:27: error: training.learning_rate: expected a number above 0 and "
            "at most 3.4e+38, received nan (numbers must be finite)",
        ),
        (
            MODEL + "training: {learning_rate: 1e39}",
            "c.yaml:2:27: error: training.learning_rate: expected a number above 0 and at most "
            "3.4e+38, received 1e+39",
        ),
        (
            MODEL + "training: {optimizer: {name: adam, learning_rate: 1e39}}",
            "c.yaml:2:51: error: training.optimizer.learning_rate: expected a number above 0 and "
            "at most 3.4e+38, received 1e+39",
        ),
        (
            "model: {depth: 2, initializer: {name: constant, value: -1e39}}",
            "c.yaml:1:56: error: model.initializer.value: expected a number from -3.4e+38 to "
            "3.4e+38, received -1e+39",
        ),
        (
            MODEL + "training: {steps: 1, epochs: 1}",
            "c.yaml:2:22: error: training.epochs: steps and epochs both set the length of training "
            "(keep "
            "one of them)",
        ),
        (
            MODEL + "training: {learning_rate: 1, optimizer: {name: sgd, learning_rate: 1}}",
            "c.yaml:2:12: error: training.learning_rate: the learning rate is set here and in "
            "training.optimizer (keep one of them)",
        ),
        (
            MODEL + "training: {optimizer: {name: sgd, clipnorm: 1, clipvalue: 1}}",
            "c.yaml:2:48: error: training.optimizer.clipvalue: clipnorm and clipvalue are both set "
            "(Keras takes one of them)",
        ),
        (
            MODEL + "training: {optimizer: {name: sgd, momentum: 1.5}}",
            "c.yaml:2:45: error: training.optimizer.momentum: expected a number from 0 to 1, "
            "received "
            "1.5",
        ),
        (
            MODEL + "training: {jit: yes}",
            "c.yaml:2:17: error: training.jit: expected one of auto, on, off, received 'yes'",
        ),
        (
            MODEL + "seed: 2147483648",
            "c.yaml:2:7: error: seed: expected a whole number from 0 to 2147483647, received "
            "2147483648",
        ),
        (
            MODEL + "device: GPU",
            "c.yaml:2:9: error: device: expected one of auto, cpu, gpu, received 'GPU' (did you "
            "mean "
            "'gpu'?)",
        ),
        (
            MODEL + "detectors: {select: []}",
            "c.yaml:2:21: error: detectors.select: expected a list of detector names or codes, "
            "received an empty list",
        ),
        (
            MODEL + "detectors: {select: [GS102]}",
            "c.yaml:2:22: error: detectors.select[0]: 'GS102' is not a known detector; expected "
            "one of "
            "vanishing_gradient, dead_units, GS101, GS203 (did you mean 'GS101'?)",
        ),
        (
            MODEL + "detectors: {ignore: [GS101]}",
            "c.yaml:2:22: error: detectors.ignore[0]: a verdict is ignored only with a reason "
            "(write "
            "{code: GS101, reason: ...})",
        ),
        (
            MODEL + "detectors: {ignore: [{code: GS101, reason: ' '}]}",
            "c.yaml:2:44: error: detectors.ignore[0].reason: the reason is empty (say why it is "
            "ignored)",
        ),
        (
            MODEL + "detectors: {dead_unit: {share: 2}}",
            "c.yaml:2:13: error: detectors.dead_unit: unknown key 'dead_unit' (did you mean "
            "'dead_units'?)",
        ),
        (
            MODEL + "detectors: {dead_units: {share: 2}}",
            "c.yaml:2:33: error: detectors.dead_units.share: expected a number from 0 to 1, "
            "received "
            "2",
        ),
        (
            MODEL + 'name: "a/b"',
            "c.yaml:2:7: error: name: expected a name of 1 to 80 letters, digits, '.', '_' or "
            "'-' that "
            "starts with a letter or digit, does not end with '.' and is not reserved by an "
            "operating "
            "system; received 'a/b'",
        ),
    ],
)
def test_one_mistake(problems: Callable[..., Sequence[str]], text: str, message: str) -> None:
    assert "\n".join(problems(text)) == message


def test_all_mistakes_at_once_in_the_order_of_the_file(
    problems: Callable[..., Sequence[str]],
) -> None:
    text = (
        "model:\n  depth: 0\n  activation: rellu\n  initializer: he-normal\n"
        "  batch_norm: {placement: befor, momentum: 1.5}\n"
        "training: {optimizer: sdg, loss: mes}\nseed: -1\nseed: 3\nwhat: 1\n"
    )
    found = problems(text, "modl.x=1")
    places = [message.split(": error:")[0] for message in found]
    assert places == [
        "-s modl.x=1",
        "c.yaml:2:10",
        "c.yaml:3:15",
        "c.yaml:4:16",
        "c.yaml:5:27",
        "c.yaml:5:44",
        "c.yaml:6:23",
        "c.yaml:6:34",
        "c.yaml:7:7",
        "c.yaml:8:1",
        "c.yaml:9:1",
    ]
    assert "did you mean 'relu'?" in found[2]
    assert "did you mean 'he_normal'?" in found[3]
    assert "did you mean 'mse'?" in found[7]


@each_case(
    "text",
    [
        'name: "\\e[31mred\\e[0m"\n',
        'name: "a\\u202eb"\n',
        'name: "\\x9b31m"\n',
        'name: "a\\nb"\n',
        'name: "\\ud800"\n',
        '"\\e]8;;x\\a": 1\n',
        'model: {activation: "\\e[1m", depth: 3}\n',
        'detectors: {ignore: ["\\e[1m"]}\n',
        'detectors: {"\\u200b": 1}\n',
        'data: {name: gaussian, "\\e": 1}\n',
    ],
)
def test_foreign_text_is_shown_inert(problems: Callable[..., Sequence[str]], text: str) -> None:
    rest = "" if "model" in text else MODEL
    for message in problems(text + rest):
        assert message.isprintable(), message


def test_long_values_are_cut(problems: Callable[..., Sequence[str]]) -> None:
    (message,) = problems(MODEL + f"device: {'x' * 5000}")
    assert "x" * 60 in message
    assert len(message) < 250


@each_case("name", ["a.", ".a", "-rf", "con", "NUL.txt", "x" * 81, "é", "", ".."])
def test_names_that_no_folder_can_have(problems: Callable[..., Sequence[str]], name: str) -> None:
    (message,) = problems(MODEL + f"name: '{name}'")
    assert "error: name: expected a name of 1 to 80" in message


def test_a_range_has_two_ends(problems: Callable[..., Sequence[str]]) -> None:
    [equal] = problems(
        "model: {depth: 1, initializer: {name: random_uniform, minval: 1, maxval: 1}}"
    )
    assert equal.endswith("maxval 1.0 must be above minval 1.0")
    [budget] = problems(MODEL + "expect: {delta_ratio: [0.5, 0.5]}")
    assert budget.endswith("the lower end comes first, received a list (2 items)")


def test_an_empty_range_is_refused(problems: Callable[..., Sequence[str]]) -> None:
    (message,) = problems(
        "model: {depth: 1, initializer: {name: random_uniform, minval: 1, maxval: 0.5}}"
    )
    assert message == (
        "c.yaml:1:74: error: model.initializer.maxval: maxval 0.5 must be above minval 1.0"
    )


def test_a_word_of_a_name_names_it(problems: Callable[..., Sequence[str]]) -> None:
    [said] = problems(
        "model: {depth: 2, initializer: {name: variance_scaling, distribution: normal}}"
    )
    assert "did you mean 'truncated_normal'?" in said
