"""Keras's losses by their snake_case name, and the rule for the loss of a network by default.

Left out: losses that need more than a label per sample (`ctc`, `circle`). Source: the classes of
`keras.losses`, compared with the installed Keras in `tests/config/test_keras_signatures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

TargetForm = Literal["class_index", "one_hot", "real", "binary"]


class ConstantAnswer(StrEnum):
    """What the mean loss of the best constant answer is, as a function of the targets.

    A constant answer is the same for every sample. With p the relative frequencies of the classes:
    ``class_entropy`` sum -p ln p; ``unit_entropy`` the mean over the units of
    -p ln p - (1 - p) ln(1 - p); ``variance`` that of the targets; ``unknown`` without a formula.
    """

    CLASS_ENTROPY = "class_entropy"
    UNIT_ENTROPY = "unit_entropy"
    VARIANCE = "variance"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Loss:
    """One loss: its config name, its class in `keras.losses`, the targets it compares with.

    `probabilities` is the output activation that gives the probabilities it takes (with Keras's
    default ``from_logits=False``): ``softmax`` for one distribution over the classes, ``sigmoid``
    for one probability per unit, "" for a loss on other values.
    """

    name: str
    keras_class: str
    target: TargetForm
    probabilities: Literal["softmax", "sigmoid", ""] = ""
    constant_answer: ConstantAnswer = ConstantAnswer.UNKNOWN
    aliases: tuple[str, ...] = ()


_LOSSES = (
    Loss(
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        "class_index",
        probabilities="softmax",
        constant_answer=ConstantAnswer.CLASS_ENTROPY,
    ),
    Loss(
        "categorical_crossentropy",
        "CategoricalCrossentropy",
        "one_hot",
        probabilities="softmax",
        constant_answer=ConstantAnswer.CLASS_ENTROPY,
    ),
    Loss(
        "categorical_focal_crossentropy",
        "CategoricalFocalCrossentropy",
        "one_hot",
        probabilities="softmax",
    ),
    Loss(
        "categorical_generalized_cross_entropy",
        "CategoricalGeneralizedCrossEntropy",
        "class_index",
        probabilities="softmax",
    ),
    Loss("categorical_hinge", "CategoricalHinge", "one_hot"),
    Loss("kl_divergence", "KLDivergence", "one_hot", probabilities="softmax", aliases=("kld",)),
    Loss("cosine_similarity", "CosineSimilarity", "one_hot"),
    Loss(
        "binary_crossentropy",
        "BinaryCrossentropy",
        "binary",
        probabilities="sigmoid",
        constant_answer=ConstantAnswer.UNIT_ENTROPY,
        aliases=("bce",),
    ),
    Loss("binary_focal_crossentropy", "BinaryFocalCrossentropy", "binary", probabilities="sigmoid"),
    Loss("dice", "Dice", "binary"),
    Loss("tversky", "Tversky", "binary"),
    Loss("hinge", "Hinge", "binary"),
    Loss("squared_hinge", "SquaredHinge", "binary"),
    Loss(
        "mean_squared_error",
        "MeanSquaredError",
        "real",
        constant_answer=ConstantAnswer.VARIANCE,
        aliases=("mse",),
    ),
    Loss("mean_absolute_error", "MeanAbsoluteError", "real", aliases=("mae",)),
    Loss(
        "mean_absolute_percentage_error", "MeanAbsolutePercentageError", "real", aliases=("mape",)
    ),
    Loss(
        "mean_squared_logarithmic_error", "MeanSquaredLogarithmicError", "real", aliases=("msle",)
    ),
    Loss("huber", "Huber", "real"),
    Loss("log_cosh", "LogCosh", "real"),
    Loss("poisson", "Poisson", "real"),
)

LOSSES: Mapping[str, Loss] = MappingProxyType({loss.name: loss for loss in _LOSSES})


def default_loss(output_activation: str | None, target: TargetForm) -> str:
    """The loss that a network is trained on when its config and its model name none.

    Classes under a softmax: cross-entropy, by index or by one row of probabilities. Classes under a
    sigmoid: binary cross-entropy. Everything else: mean squared error. Real targets are no class
    indices: Keras's sparse categorical cross-entropy casts its targets to int64 and so cuts 0.7 to
    class 0. Real targets under a softmax are therefore trained on the mean squared error, which is
    defined for any real number.
    """
    if target == "real":
        return "mean_squared_error"
    if output_activation == "softmax":
        indices = target == "class_index"
        return "sparse_categorical_crossentropy" if indices else "categorical_crossentropy"
    return "binary_crossentropy" if output_activation == "sigmoid" else "mean_squared_error"


def constant_answer(loss: str) -> ConstantAnswer:
    """Formula of the loss of the best constant answer; ``unknown`` for any other name."""
    return LOSSES[loss].constant_answer if loss in LOSSES else ConstantAnswer.UNKNOWN
