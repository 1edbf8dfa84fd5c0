"""Collect the figures of a step, and pack them into one tensor at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from gradscope.record import STATISTICS

_ROWS = {name: row for row, name in enumerate(STATISTICS)}
_DROPPED = len(STATISTICS)


class Figures:
    """Figures of one step by statistic and layer, in blocks of several layers.

    Small operations cost as much as large ones in a training step, so blocks are not taken apart.
    """

    def __init__(self) -> None:
        self._positions: list[list[int]] = []
        self._blocks: list[Any] = []
        self._measured: set[tuple[int, int]] = set()

    def add(self, names: Sequence[str], indices: Sequence[int], block: Any) -> None:
        """Add float64 figures [name, layer]; an empty name drops its row.

        Figures added twice for one statistic and layer are summed, as counts in several tensors.
        """
        for name in names:
            row = _ROWS.get(name, _DROPPED)
            for index in indices:
                self._positions.append([row, index])
                self._measured.add((row, index))
        self._blocks.append(tf.reshape(block, [len(names) * len(indices)]))

    def packed(self, layers: int) -> Any:
        """One float64 tensor [statistic, layer]; NaN where nothing was added."""
        missing = [
            [0.0 if (row, index) in self._measured else math.nan for index in range(layers)]
            for row in range(len(STATISTICS))
        ]
        if not self._blocks:  # no layer can be measured
            return tf.constant(missing, tf.float64, [len(STATISTICS), layers])
        shape = [len(STATISTICS) + 1, layers]
        packed = tf.scatter_nd(self._positions, tf.concat(self._blocks, 0), shape)
        return packed[: len(STATISTICS)] + tf.constant(missing, tf.float64)
