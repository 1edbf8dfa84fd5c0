"""Learning rates that are computed from the size of the first update."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.theory import step_size
from gradscope.record import Action, ObjectiveInfo, Remedy
from gradscope.reporters.remedies.reader import Form, Reader
from gradscope.reporters.remedies.wording import remedy_text
from tests.analyzer.synthetic import USERS, changed, record


@pytest.mark.parametrize(
    ("name", "rate", "update", "text"),
    [
        ("sgd", 1000.0, 50.0, "0.01, Keras's default, in place of 1000"),
        ("sgd", 0.1, 1e-3, "0.01, Keras's default, in place of 0.1"),
        ("adam", 0.1, 2.0, "0.001, Keras's default, in place of 0.1"),
        ("adam", 0.001, 1e-3, "0.0001, a tenth of the 0.001 used"),
        # rate * 1e-2 / update at the first step of Adam, rate * 1e-3 / update of SGD.
        (
            "adam",
            0.002,
            0.5,
            "4e-05, for steps of about a thousandth of the weights, in place of the 0.002 used",
        ),
        (
            "sgd",
            0.04,
            2.0,
            "2e-05, for steps of about a thousandth of the weights, in place of the 0.04 used",
        ),
    ],
)
def test_a_lower_rate_is_computed_from_the_first_step(
    name: str, rate: float, update: float, text: str
) -> None:
    made = record(3, update=update)
    optimizer = {"name": name, "parameters": {"learning_rate": rate}}
    training = made.config["training"] | {"optimizer": optimizer}
    scalars = made.scalars | {"learning_rate": np.full(len(made.steps), rate)}
    made = replace(made, config=made.config | {"training": training}, scalars=scalars)
    words = remedy_text(step_size.lower_learning_rate(made), Reader())
    assert words == f"training.learning_rate: {text}"
    layers = changed(made.layers, "hidden_1")
    started = made.series["weight_second_moment"]
    started[0, 1], made.series["update_ratio"][:, 1] = 0.0, 1e6  # nothing beside weights of zero
    again = remedy_text(step_size.lower_learning_rate(replace(made, layers=layers)), Reader())
    assert again == words


def test_a_learning_rate_that_is_no_number() -> None:
    made = record()
    training = {"optimizer": {"name": "sgd", "parameters": {"learning_rate": {"schedule": 1}}}}
    made = replace(made, config={**made.config, "training": training})
    assert step_size.lower_learning_rate(made) == Remedy(Action.LOWER_LEARNING_RATE)


def test_a_compiled_optimizer_has_its_rate_in_the_record() -> None:
    """As of a model of one's own, whose config says ``auto``."""
    config = USERS | {"training": {"optimizer": "auto"}}
    made = record(3, update=30.0, config=config, objective=ObjectiveInfo(optimizer="adam"))
    rates = made.scalars | {"learning_rate": np.full(len(made.steps), 3.0)}
    remedy = step_size.lower_learning_rate(replace(made, scalars=rates))
    assert remedy.action is Action.DEFAULT_LEARNING_RATE
    text = remedy_text(remedy, Reader(Form.KERAS))
    assert text == "learning_rate=0.001, Keras's default, in place of 3"
    scheduled = replace(made, objective=ObjectiveInfo(optimizer="adam", schedule="CosineDecay"))
    assert step_size.lower_learning_rate(scheduled) == Remedy(Action.LOWER_LEARNING_RATE)
    summed = replace(made, objective=ObjectiveInfo(reduction="sum"))
    assert step_size.lower_learning_rate(summed) == Remedy(Action.AVERAGE_LOSS)
