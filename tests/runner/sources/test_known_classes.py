"""What a `.keras` file may name: everything in the catalog, without a second list."""

from __future__ import annotations

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.catalog.losses import LOSSES
from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.runner.sources.known_classes import CLASSES, FUNCTIONS


def test_a_file_may_name_every_class_and_function_of_the_catalog() -> None:
    tables = {
        "keras.initializers": INITIALIZERS,
        "keras.losses": LOSSES,
        "keras.optimizers": OPTIMIZERS,
    }
    for module, table in tables.items():
        classes = {entry.keras_class for entry in table.values()}
        assert classes - CLASSES[module] == set(), module
    # PReLU is a layer of its own: Keras has no function of this name.
    assert {*ACTIVATIONS, *LOSSES} - FUNCTIONS == {"prelu"}


def test_nothing_else_is_allowed_but_what_was_reviewed() -> None:
    """Losses without an entry, and the wrapper that scales the loss."""
    extra = {
        module: CLASSES[module] - {entry.keras_class for entry in table.values()}
        for module, table in (
            ("keras.initializers", INITIALIZERS),
            ("keras.losses", LOSSES),
            ("keras.optimizers", OPTIMIZERS),
        )
    }
    assert extra == {
        "keras.initializers": set(),
        "keras.losses": {"CTC", "Circle"},
        "keras.optimizers": {"LossScaleOptimizer"},
    }
