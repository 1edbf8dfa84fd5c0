"""The wording of remedies for each reader."""

from __future__ import annotations

import ast
import shlex

import pytest

from gradscope.record import Action, Promise, Remedy
from gradscope.record.remedies import change_settings
from gradscope.reporters.remedies.reader import Form, Reader, reader_of
from gradscope.reporters.remedies.wording import (
    arguments,
    keras_arguments,
    remedies_text,
    remedy_text,
)
from tests.analyzer.synthetic import record

CONFIG, KERAS = Reader(), Reader(Form.KERAS)
SHELL = Reader(Form.COMMAND_LINE, "my net.yaml")
HE = change_settings(("model.initializer", "he_normal"))
RELU = change_settings(("model.activation", "relu"), ("model.initializer", "he_normal"))


@pytest.mark.parametrize(
    ("remedy", "config", "keras", "shell"),
    [
        (
            HE,
            "model.initializer: he_normal",
            'kernel_initializer="he_normal"',
            "-s model.initializer=he_normal",
        ),
        (
            RELU,
            "model.activation: relu with model.initializer: he_normal",
            'activation="relu" with kernel_initializer="he_normal"',
            "-s model.activation=relu -s model.initializer=he_normal",
        ),
        (
            change_settings(("model.batch_norm.input", True)),
            "model.batch_norm.input: true",
            "a BatchNormalization right after the input",
            "-s model.batch_norm.input=true",
        ),
        (
            change_settings(("model.output.units", 3)),
            "model.output.units: 3",
            "3 units in the output layer",
            "-s model.output.units=3",
        ),
        (
            change_settings(("data.scaling", "standardize")),
            "data.scaling: standardize",
            "features scaled to mean 0 and standard deviation 1",
            "-s data.scaling=standardize",
        ),
        (
            Remedy(Action.LOWER_LEARNING_RATE, (("training.learning_rate", 0.002),), replaces=0.02),
            "training.learning_rate: 0.002, a tenth of the 0.02 used",
            "learning_rate=0.002, a tenth of the 0.02 used",
            "-s training.learning_rate=0.002, a tenth of the 0.02 used",
        ),
        (
            Remedy(Action.RAISE_LEARNING_RATE),
            "a larger learning rate",
            "a larger learning rate",
            "a larger learning rate",
        ),
        (
            Remedy(Action.REMOVE_BIAS),
            "use_bias: false there",
            "use_bias=False there",
            "use_bias: false there",
        ),
    ],
)
def test_each_reader_reads_a_form_of_its_own(
    remedy: Remedy, config: str, keras: str, shell: str
) -> None:
    assert remedy_text(remedy, CONFIG) == config
    assert remedy_text(remedy, KERAS) == keras
    assert remedy_text(remedy, SHELL) == shell


def test_what_theory_promises_is_said_with_two_digits() -> None:
    remedy = change_settings(*HE.settings, promise=Promise(1.004, 0.987))
    assert remedy_text(remedy, CONFIG) == (
        "model.initializer: he_normal (theory: x1 per layer for the signal, x0.99 for the gradient)"
    )


def test_the_commands_name_the_file_that_was_given() -> None:
    update = Remedy(Action.UPDATE_BASELINE)
    assert remedy_text(update, SHELL) == (
        "if it is intended: gradscope baseline 'my net.yaml' --update"
    )
    more = Remedy(Action.UPDATE_BASELINE, seeds=8)
    assert remedy_text(more, SHELL) == "gradscope baseline 'my net.yaml' --update --seeds 8"
    trained = Remedy(Action.UPDATE_BASELINE, trained_seeds=5)
    at_init = Remedy(Action.UPDATE_BASELINE, trained_seeds=0)
    said = "if it is intended: gradscope baseline CONFIG --update --at-init"
    assert remedy_text(at_init, CONFIG) == said
    assert remedy_text(trained, CONFIG) == "gradscope baseline CONFIG --update --trained-seeds 5"
    made = Remedy(Action.MAKE_BASELINE, path="a b.json")
    assert remedy_text(made, CONFIG) == "gradscope baseline CONFIG --output 'a b.json' --update"


def test_pytest_writes_baselines_by_its_fixture() -> None:
    reader = Reader(source="net.yaml", pytest=True)
    option = "pytest --gradscope-update-baselines"
    assert remedy_text(Remedy(Action.MAKE_BASELINE, path="x.json"), reader) == option
    assert remedy_text(Remedy(Action.UPDATE_BASELINE), reader) == f"if it is intended: {option}"
    assert remedy_text(Remedy(Action.UPDATE_BASELINE, seeds=8, trained_seeds=4), reader) == (
        f"{option}, with seeds=8, with trained_seeds=4"
    )


def test_alternatives_are_one_line_the_best_first() -> None:
    assert remedies_text((HE, Remedy(Action.TRAIN_LONGER)), CONFIG) == (
        "model.initializer: he_normal; or more steps"
    )
    assert remedies_text((), CONFIG) == ""


@pytest.mark.parametrize("action", Action)
def test_every_action_has_words_for_every_reader(action: Action) -> None:
    settings = (("training.learning_rate", 0.1),)
    for reader in (CONFIG, KERAS, SHELL, Reader(pytest=True)):
        text = remedy_text(Remedy(action, settings, replaces=1.0), reader)
        assert text
        assert "None" not in text.replace("y[:, None]", "")


def test_a_shell_gives_back_what_was_quoted() -> None:
    remedy = change_settings(("training.optimizer", {"name": "adam", "epsilon": 1e-9}))
    assert arguments(remedy) == ["-s", "training.optimizer={name: adam, epsilon: 1e-09}"]
    assert shlex.split(remedy_text(remedy, SHELL)) == arguments(remedy)


def test_only_a_model_of_the_user_is_read_as_keras_code() -> None:
    built_in = record()
    user = record(config={**built_in.config, "model": {"source": "factory"}})
    assert reader_of(None).form is Form.CONFIG
    assert reader_of(built_in).form is Form.CONFIG
    assert reader_of(user).form is Form.KERAS


def test_settings_of_layers_are_arguments_that_paste_into_keras_code() -> None:
    assert keras_arguments(RELU) == 'activation="relu", kernel_initializer="he_normal"'
    rate = change_settings(("training.learning_rate", 0.001))
    assert keras_arguments(rate) == "learning_rate=0.001"
    # Each is what Python reads as keyword arguments of a call.
    for remedy in (HE, RELU, rate):
        [call] = ast.parse(f"f({keras_arguments(remedy)})").body
        assert isinstance(call, ast.Expr)
        assert isinstance(call.value, ast.Call)
        assert len(call.value.keywords) == len(remedy.settings)


def test_what_is_no_argument_is_not_offered_as_one() -> None:
    for remedy in (
        change_settings(("model.output.units", 10)),
        change_settings(("model.activation", "relu"), ("data.scaling", "standardize")),
        change_settings(("training.steps", 100)),
    ):
        assert keras_arguments(remedy) == ""


@pytest.mark.parametrize(
    ("reader", "shown"),
    [
        (SHELL, "gradscope theory 'my net.yaml'"),
        (Reader(Form.KERAS, "own.yaml"), "gradscope theory own.yaml --draws 32"),
        (Reader(Form.COMMAND_LINE, "net.txt"), "gradscope theory net.txt"),
        (
            Reader(Form.KERAS, "mine.json", has_config_file=False),
            "gradscope.predict(model=model, data=data)",
        ),
        (Reader(Form.CONFIG, "mapping", has_config_file=False), "gradscope.predict(config)"),
    ],
)
def test_theory_is_shown_where_the_config_is(reader: Reader, shown: str) -> None:
    """In Python a model and a mapping have a name and no file."""
    told = remedy_text(Remedy(Action.SHOW_THEORY), reader)
    assert told == f"{shown} shows what each layer should be"
