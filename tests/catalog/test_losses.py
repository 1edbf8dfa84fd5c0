"""The default loss of a network, and what its best constant answer comes to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradscope.catalog.losses import LOSSES, ConstantAnswer, constant_answer, default_loss


@pytest.mark.parametrize(
    ("activation", "target", "expected"),
    [
        ("softmax", "class_index", "sparse_categorical_crossentropy"),
        ("softmax", "one_hot", "categorical_crossentropy"),
        ("softmax", "real", "mean_squared_error"),
        ("sigmoid", "class_index", "binary_crossentropy"),
        ("sigmoid", "one_hot", "binary_crossentropy"),
        ("sigmoid", "binary", "binary_crossentropy"),
        ("sigmoid", "real", "mean_squared_error"),
        ("linear", "class_index", "mean_squared_error"),
        ("linear", "real", "mean_squared_error"),
        (None, "real", "mean_squared_error"),
    ],
)
def test_the_default_loss_fits_the_output_and_the_targets(activation, target, expected):
    assert default_loss(activation, target) == expected


@pytest.mark.parametrize(
    ("activation", "target"),
    [
        (activation, target)
        for activation in ("softmax", "sigmoid", "linear")
        for target in ("class_index", "one_hot", "real")
    ],
)
def test_a_default_loss_never_takes_class_indices_for_real_targets(activation, target):
    loss = LOSSES[default_loss(activation, target)]
    assert loss.target != "class_index" or target == "class_index"
    assert loss.probabilities in ("", activation)


def constant_loss(loss, p):
    """Mean loss of the best constant answer, by search over answers on a grid."""
    answers = np.linspace(1e-6, 1 - 1e-6, 200_001)
    if constant_answer(loss) is ConstantAnswer.VARIANCE:
        return np.min((1 - p) * answers**2 + p * (1 - answers) ** 2)
    return np.min(-p * np.log(answers) - (1 - p) * np.log1p(-answers))


@pytest.mark.parametrize("p", [0.5, 0.2, 0.03])
def test_constant_answers_are_the_minimum_over_all_constants(p):
    """Two classes or targets 0 and 1 of frequencies 1 - p and p, one output."""
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    formulas = {
        ConstantAnswer.CLASS_ENTROPY: entropy,
        ConstantAnswer.UNIT_ENTROPY: entropy,
        ConstantAnswer.VARIANCE: p * (1 - p),
    }
    listed = [name for name in LOSSES if constant_answer(name) is not ConstantAnswer.UNKNOWN]
    assert listed == [
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        "binary_crossentropy",
        "mean_squared_error",
    ]
    for name in listed:
        assert formulas[constant_answer(name)] == pytest.approx(constant_loss(name, p), rel=1e-8)


def test_a_loss_outside_the_catalog_has_no_known_constant_answer():
    assert constant_answer("") is constant_answer("my_loss") is ConstantAnswer.UNKNOWN
