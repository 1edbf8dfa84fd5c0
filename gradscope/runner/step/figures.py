"""Figures of groups of layers, packed into one tensor at the end of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from gradscope.record import STATISTICS

_ROWS = {name: row for row, name in enumerate(STATISTICS)}
_NOWHERE = len(STATISTICS)


class Figures:
    """Figures by statistic, from groups of layers, until they are packed into one tensor.

    Small operations cost as much as large ones in a training step, so figures stay in blocks.
    """

    def __init__(self) -> None:
        self._places: list[list[int]] = []
        self._blocks: list[Any] = []
        self._measured: set[tuple[int, int]] = set()

    def put(self, names: Sequence[str], indices: Sequence[int], block: Any) -> None:
        """Note float64 figures [name, layer]; an empty name drops its row.

        Figures put twice for one statistic and layer add up: counts come from several tensors.
        """
        for name in names:
            row = _ROWS.get(name, _NOWHERE)
            for index in indices:
                self._places.append([row, index])
                self._measured.add((row, index))
        self._blocks.append(tf.reshape(block, [len(names) * len(indices)]))

    def packed(self, layers: int) -> Any:
        """One float64 tensor [statistic, layer]; NaN where nothing was put."""
        absent = [
            [0.0 if (row, index) in self._measured else math.nan for index in range(layers)]
            for row in range(len(STATISTICS))
        ]
        shape = [len(STATISTICS) + 1, layers]
        placed = tf.scatter_nd(self._places, tf.concat(self._blocks, 0), shape)
        return placed[: len(STATISTICS)] + tf.constant(absent, tf.float64)
