"""Which positions of sequences the answers of a model depend on."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.record import PositionUse
from gradscope.runner.runtime.preserved_state import preserved_model_state
from gradscope.runner.survey.layer_kinds import joins_positions

Array = npt.NDArray[Any]

FEWEST = 3
"""Positions at which samples have to differ; two columns of whole numbers are no sequence."""


def read_positions(model: Any, x: Any, batch_size: int) -> PositionUse | None:
    """Find a stretch with all positions that the answers to samples of `x` depend on.

    Positions are those of sequences: axis 1 of whole numbers [sample, position] and of values
    [sample, position, feature]. The first `batch_size` samples exchange their content there, half
    of a stretch at a time, in inference mode. None where there are no sequences or several lengths
    of them, where answers have positions too, and where the model takes no such batch. Its state
    is restored.
    """
    leaves = keras.tree.flatten(x)
    if not leaves or any(leaf is None for leaf in leaves):
        return None
    arrays = [np.asarray(leaf)[:batch_size] for leaf in leaves]
    varied = [_varied(leaf) for leaf in arrays if _is_sequence(leaf)]
    if len({len(each) for each in varied}) != 1 or np.any(varied, axis=0).sum() < FEWEST:
        return None
    try:
        return _Search(model, x, arrays, len(varied[0])).use()
    except Exception:  # a model of the user's own may refuse in any way
        return None


def _is_sequence(leaf: Array) -> bool:
    return leaf.ndim == (2 if leaf.dtype.kind in "iu" else 3)


def _varied(leaf: Array) -> npt.NDArray[np.bool_]:
    """At which positions [position] the samples differ."""
    different: npt.NDArray[np.bool_] = (leaf != leaf[:1]).any(axis=(0, *range(2, leaf.ndim)))
    return different


class _Search:
    """Passes of one batch in which samples have exchanged some of their positions."""

    def __init__(self, model: Any, x: Any, arrays: list[Array], length: int) -> None:
        self._model, self._structure, self._arrays, self._length = model, x, arrays, length

    def use(self) -> PositionUse | None:
        """The positions from `first` to before `end`.

        Empty where samples do not differ at the positions that count; None where none counts.
        """
        self._answers = self._pass(self._arrays)
        if any(leaf.ndim > 2 or len(leaf) != len(self._arrays[0]) for leaf in self._answers):
            return None
        first, end = 0, self._length
        if self._is_unread(first, end):
            if not self._reads_any():
                return None
            end = first
        while end - first > 1:
            middle = (first + end) // 2
            if self._is_unread(first, middle):
                first = middle
            elif self._is_unread(middle, end):
                end = middle
            else:
                break
        layers = self._model._flatten_layers(include_self=False)
        joining = tuple(dict.fromkeys(layer.name for layer in layers if joins_positions(layer)))
        return PositionUse(self._length, first, end, joining)

    def _is_unread(self, first: int, end: int) -> bool:
        """Whether the answers stay when each sample gets these positions of the one before."""
        exchanged = [leaf.copy() for leaf in self._arrays]
        for leaf in exchanged:
            if _is_sequence(leaf):
                leaf[:, first:end] = np.roll(leaf[:, first:end], 1, axis=0)
        return self._stays(exchanged)

    def _reads_any(self) -> bool:
        """Whether the answers change when all content moves on by one position."""
        moved = [np.roll(leaf, 1, axis=1) if _is_sequence(leaf) else leaf for leaf in self._arrays]
        return not self._stays(moved)

    def _stays(self, arrays: list[Array]) -> bool:
        """Whether no bit of an answer changes.

        Sums over positions of weight 0 are exact. A tolerance would take a position for unread
        whose effect is small beside an offset, or is hidden by an answer that is nearly certain.
        """
        pairs = zip(self._pass(arrays), self._answers, strict=True)
        return all(np.array_equal(one, other) for one, other in pairs)

    def _pass(self, arrays: list[Array]) -> list[Array]:
        x = keras.tree.pack_sequence_as(self._structure, list(map(tf.convert_to_tensor, arrays)))
        with preserved_model_state(self._model):
            answers = self._model(x, training=False)
        return [np.asarray(leaf) for leaf in keras.tree.flatten(answers)]
