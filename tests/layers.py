"""Rows of the layer table as the survey makes them, for tests without Keras."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradscope.record import LayerInfo, Normalization, Role, Trait

TRAITS: dict[str, tuple[Trait, ...]] = {
    "Dense": (Trait.FULLY_CONNECTED, Trait.LINEAR_KERNEL),
    "Conv2D": (Trait.LINEAR_KERNEL,),
    "Embedding": (Trait.LOOKUP,),
    "SimpleRNN": (Trait.LOOP, Trait.SIMPLE_RECURRENCE),
    "LSTM": (Trait.LOOP, Trait.FORGET_GATE),
    "GRU": (Trait.LOOP, Trait.UPDATE_GATE),
    "BatchNormalization": (Trait.NORMALIZATION, Trait.BATCH_NORM),
    "LayerNormalization": (Trait.NORMALIZATION,),
    "Activation": (Trait.ACTIVATION,),
    "ReLU": (Trait.ACTIVATION,),
    "Dropout": (Trait.RANDOM, Trait.DROPOUT),
    "AlphaDropout": (Trait.RANDOM, Trait.ALPHA_DROPOUT),
    "Flatten": (Trait.UNCHANGED_VALUES,),
    "Add": (Trait.MERGE, Trait.SUM),
    "Multiply": (Trait.MERGE, Trait.PRODUCT),
    "Concatenate": (Trait.MERGE, Trait.CONCATENATION),
}
"""Traits by Keras class; tests/runner/survey/test_traits.py compares them with Keras's layers."""


def layer_row(
    index: int, name: str, kind: str, role: str, *facts: Any, **named_facts: Any
) -> LayerInfo:
    """A row with the traits of its kind, if `TRAITS` has it."""
    named_facts.setdefault("traits", TRAITS.get(kind, ()))
    if named_facts.get("normalization"):
        named_facts["normalization"] = Normalization(named_facts["normalization"])
    return LayerInfo(index, name, kind, Role(role), *facts, **named_facts)


def with_kind(row: LayerInfo, kind: str, **facts: Any) -> LayerInfo:
    """The same row of another kind."""
    return replace(row, kind=kind, traits=TRAITS.get(kind, ()), **facts)
