"""The tables of optimizers and losses say what the installed Keras says."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from gradscope.catalog.losses import LOSSES
from gradscope.catalog.optimizers import OPTIMIZERS

NOT_OFFERED = {"name", "kwargs", "loss_scale_factor", "exclude_layers"}
NOT_OPTIMIZERS = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}


def test_names_and_aliases_are_unique() -> None:
    for table in (OPTIMIZERS, LOSSES):
        names = [name for item in table.values() for name in (item.name, *item.aliases)]
        assert len(names) == len(set(names))
        assert all(key == item.name for key, item in table.items())


def test_every_default_lies_within_its_bounds() -> None:
    for optimizer in OPTIMIZERS.values():
        assert "learning_rate" in optimizer.parameters
        for name, parameter in optimizer.parameters.items():
            assert parameter.description, (optimizer.name, name)
            if isinstance(parameter.default, float):
                low, high = parameter.minimum, parameter.maximum
                assert low is None or parameter.default >= low
                assert high is None or parameter.default <= high


@pytest.mark.tensorflow
def test_optimizers_have_keras_parameters_and_defaults() -> None:
    import keras

    classes = {
        name
        for name in dir(keras.optimizers)
        if inspect.isclass(getattr(keras.optimizers, name)) and name not in NOT_OPTIMIZERS
    }
    ours = {item.keras_class: item for item in OPTIMIZERS.values()}
    assert classes <= set(ours)
    for name in classes:
        signature = inspect.signature(getattr(keras.optimizers, name)).parameters
        theirs = {key: item.default for key, item in signature.items() if key not in NOT_OFFERED}
        defaults = {key: item.default for key, item in ours[name].parameters.items()}
        assert defaults == theirs, name


@pytest.mark.tensorflow
def test_every_optimizer_can_be_made_from_its_defaults() -> None:
    import keras

    for item in OPTIMIZERS.values():
        if not hasattr(keras.optimizers, item.keras_class):
            continue
        made = getattr(keras.optimizers, item.keras_class)(
            **{key: parameter.default for key, parameter in item.parameters.items()}
        )
        assert made.learning_rate is not None


@pytest.mark.tensorflow
def test_losses_are_keras_losses_and_take_their_targets() -> None:
    import keras
    import numpy as np

    targets: dict[str, Any] = {
        "class_index": np.array([0, 2]),
        "one_hot": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
        "real": np.array([[0.5, 1.0, 2.0], [0.1, 0.2, 0.3]]),
        "binary": np.array([[1.0], [0.0]]),
    }
    outputs = np.array([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6]])
    for loss in LOSSES.values():
        made = getattr(keras.losses, loss.keras_class)()
        predicted = outputs[:, :1] if loss.target == "binary" else outputs
        assert np.isfinite(float(made(targets[loss.target], predicted))), loss.name
    offered = {item.keras_class for item in LOSSES.values()}
    classes = {
        name for name in dir(keras.losses) if inspect.isclass(getattr(keras.losses, name))
    } - {"Loss", "CTC", "Circle"}
    assert classes == offered
