"""Keras's losses by their snake_case name, with the form of target each one needs.

Left out: losses that need more than a label per sample (`ctc`, `circle`). Source: the classes of
`keras.losses`, compared with the installed Keras in `tests/config/test_keras_signatures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

TargetForm = Literal["class_index", "one_hot", "real", "binary"]


@dataclass(frozen=True)
class Loss:
    """One loss: its config name, its class in `keras.losses`, the targets it compares with."""

    name: str
    keras_class: str
    target: TargetForm
    aliases: tuple[str, ...] = ()


_LOSSES = (
    Loss("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", "class_index"),
    Loss("categorical_crossentropy", "CategoricalCrossentropy", "one_hot"),
    Loss("categorical_focal_crossentropy", "CategoricalFocalCrossentropy", "one_hot"),
    Loss(
        "categorical_generalized_cross_entropy", "CategoricalGeneralizedCrossEntropy", "class_index"
    ),
    Loss("categorical_hinge", "CategoricalHinge", "one_hot"),
    Loss("kl_divergence", "KLDivergence", "one_hot", ("kld",)),
    Loss("cosine_similarity", "CosineSimilarity", "one_hot"),
    Loss("binary_crossentropy", "BinaryCrossentropy", "binary", ("bce",)),
    Loss("binary_focal_crossentropy", "BinaryFocalCrossentropy", "binary"),
    Loss("dice", "Dice", "binary"),
    Loss("tversky", "Tversky", "binary"),
    Loss("hinge", "Hinge", "binary"),
    Loss("squared_hinge", "SquaredHinge", "binary"),
    Loss("mean_squared_error", "MeanSquaredError", "real", ("mse",)),
    Loss("mean_absolute_error", "MeanAbsoluteError", "real", ("mae",)),
    Loss("mean_absolute_percentage_error", "MeanAbsolutePercentageError", "real", ("mape",)),
    Loss("mean_squared_logarithmic_error", "MeanSquaredLogarithmicError", "real", ("msle",)),
    Loss("huber", "Huber", "real"),
    Loss("log_cosh", "LogCosh", "real"),
    Loss("poisson", "Poisson", "real"),
)

LOSSES: Mapping[str, Loss] = MappingProxyType({loss.name: loss for loss in _LOSSES})
