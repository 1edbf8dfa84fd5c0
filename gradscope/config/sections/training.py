"""The `training` section of a config."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final

from annotated_types import Ge, Gt, Le

from gradscope.catalog.losses import LOSSES
from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.value_readers.catalog_choice import LARGEST_FLOAT, CatalogChoiceReader
from gradscope.config.value_readers.mapping_reader import Key
from gradscope.config.value_readers.single_value import (
    KeywordOrReader,
    OnOffAutoReader,
    TypedValueReader,
)
from gradscope.config.value_readers.value_reader import ReadContext, Schema
from gradscope.message_text import did_you_mean, one_of_text, show_value

Count = Annotated[int, Ge(1), Le(10**9)]
OPTIMIZER = CatalogChoiceReader("optimizer", OPTIMIZERS)
DEFAULT_STEPS: Final = 300

DEFAULT_DRAWS: Final = 32
"""Draws behind a band where `draws` is auto: with fewer than 24 the band of a whole graph gets wide
(half a band is 4.35 standard deviations for 60 figures at 32 draws, 5.13 at 16)."""

FEWEST_DRAWS: Final = 8
MOST_DRAWS: Final = 1000


@dataclass(frozen=True)
class LossReader:
    """`auto` or a loss by Keras's name."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Give the canonical name."""
        for loss in LOSSES.values():
            if isinstance(value, str) and value in (loss.name, *loss.aliases):
                return loss.name
        if value != "auto" and value is not INVALID:
            names = ["auto", *LOSSES]
            aliases = [alias for loss in LOSSES.values() for alias in loss.aliases]
            remedy = did_you_mean(value, [*names, *aliases])
            context.report(
                path,
                f"{show_value(value)} is not a known loss; expected {one_of_text(names)}",
                remedy,
            )
        return value

    def json_schema(self) -> Schema:
        """List the names."""
        aliases = [alias for loss in LOSSES.values() for alias in loss.aliases]
        return {"enum": ["auto", *LOSSES, *aliases]}


@lru_cache(maxsize=1)
def training_keys() -> dict[str, Key]:
    """Give the keys of the training section."""
    rate = Annotated[float, Gt(0.0), Le(LARGEST_FLOAT)]
    jit = "compile the training step with XLA; auto: where it pays"
    return {
        "optimizer": Key(
            KeywordOrReader("auto", OPTIMIZER),
            None,
            "optimizer; default: sgd, and auto, the one it was compiled with, for your own model",
        ),
        "learning_rate": Key(
            TypedValueReader(rate), None, "step size; default: the optimizer's own"
        ),
        "batch_size": Key(TypedValueReader(Annotated[int, Ge(1)]), 32, "samples per step"),
        "steps": Key(TypedValueReader(Count), None, f"training steps; default {DEFAULT_STEPS}"),
        "epochs": Key(TypedValueReader(Count), None, "passes over the data, instead of steps"),
        "loss": Key(LossReader(), "auto", "loss; auto: your own model's, or from the labels"),
        "jit": Key(OnOffAutoReader(), "auto", jit),
        "record_every": Key(TypedValueReader(Count), 1, "record every k-th step"),
        "probe_samples": Key(TypedValueReader(Count), 1000, "samples of the fixed probe set"),
        "gradient_noise": Key(
            TypedValueReader(bool), False, "measure how samples disagree on the gradient"
        ),
        "histogram_every": Key(
            TypedValueReader(Count),
            None,
            "count the powers of two of delta and gradients at every k-th step",
        ),
        "draws": Key(
            KeywordOrReader("auto", TypedValueReader(Annotated[int, Ge(0), Le(MOST_DRAWS)])),
            "auto",
            "how often the initial weights are drawn again for the expected figures; 0: not at "
            f"all; auto: {DEFAULT_DRAWS}, for your own models without a closed form",
        ),
    }


def check_training(training: Any, context: ReadContext, user_model: bool) -> None:
    """Report keys that contradict each other or do not fit the model."""
    if not isinstance(training, dict):
        return
    _check_automatic(training, context, user_model)
    if "steps" in training and "epochs" in training:
        context.report(
            ("training", "epochs"),
            "steps and epochs both set the length of training",
            "keep one of them",
            at_key=True,
        )
    draws = training.get("draws")
    if isinstance(draws, int) and 0 < draws < FEWEST_DRAWS:
        context.report(
            ("training", "draws"),
            f"{draws} draws are too few for a band; expected 0, or {FEWEST_DRAWS} to {MOST_DRAWS}",
            f"write {DEFAULT_DRAWS}",
        )
    optimizer = training.get("optimizer")
    if not isinstance(optimizer, dict):
        return
    if "learning_rate" in training and "learning_rate" in optimizer:
        context.report(
            ("training", "learning_rate"),
            "the learning rate is set here and in training.optimizer",
            "keep one of them",
            at_key=True,
        )
    clips = [
        key
        for key in ("clipnorm", "clipvalue", "global_clipnorm")
        if optimizer.get(key) is not None
    ]
    if len(clips) > 1:
        context.report(
            ("training", "optimizer", clips[1]),
            f"{' and '.join(clips)} are both set",
            "Keras takes one of them",
            at_key=True,
        )


def _check_automatic(training: dict[str, Any], context: ReadContext, user_model: bool) -> None:
    automatic = training.get("optimizer", "auto" if user_model else "sgd") == "auto"
    if automatic and not user_model:
        context.report(
            ("training", "optimizer"),
            "auto is the optimizer that a model of your own was compiled with",
            "name an optimizer, such as sgd",
        )
    elif automatic and "learning_rate" in training:
        # A rate alone must not replace the optimizer that the model was compiled with by SGD.
        context.report(
            ("training", "learning_rate"),
            "a learning rate belongs to an optimizer, and this model has its own",
            "name one as training.optimizer, or set the rate where the model is compiled",
            at_key=True,
        )
