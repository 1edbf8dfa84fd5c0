"""Figures of groups of layers, packed into one tensor at the end of a step."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from gradscope.record import STATISTICS


class Figures:
    """Figures by statistic, from groups of layers, until they are packed into one tensor."""

    def __init__(self) -> None:
        self._parts: dict[str, list[tuple[list[int], Any]]] = {}

    def put(self, indices: list[int], **vectors: Any) -> None:
        """Note one float64 vector per statistic, a value for each of the layers `indices`."""
        for name, vector in vectors.items():
            self._parts.setdefault(name, []).append((indices, vector))

    def packed(self, layers: int) -> Any:
        """One float64 tensor [statistic, layer]; NaN where nothing was put, sums where twice."""
        rows: list[list[int]] = []
        vectors: list[Any] = []
        absent: list[list[float]] = []
        for place, name in enumerate(STATISTICS):
            parts = self._parts.get(name, [])
            measured = {index for indices, _ in parts for index in indices}
            absent.append([0.0 if i in measured else math.nan for i in range(layers)])
            for indices, vector in parts:
                rows.extend([place, index] for index in indices)
                vectors.append(vector)
        placed = tf.scatter_nd(rows, tf.concat(vectors, 0), [len(STATISTICS), layers])
        return placed + tf.constant(absent, tf.float64)
