"""The sums that a measured step takes, once as graph operations and once for XLA.

This is the only module whose computation depends on whether XLA compiles the step. Both classes
give the same sums of the same values in the values' own type; they differ in the operations, and so
in the last bits. `Tensors` are a list of matrices [row, column] or a stack of them [tensor, row,
column].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import tensorflow as tf

from gradscope.runner.step.sizes import length

Tensors: TypeAlias = Any

BLOCKS = 8
"""Most blocks of rows that `XlaReductions` adds in one expression."""


class Reductions(Protocol):
    """Sums over the values of each of several tensors.

    `stacking_limit` is the number of values of a tensor up to which a copy of it in a stack costs
    less than operations of its own.
    """

    stacking_limit: float

    def differences(self, tensors: Tensors) -> Tensors:
        """The tensors minus their first rows."""

    def sums(self, tensors: Tensors) -> Any:
        """Sums: [tensor]."""

    def row_sums(self, tensors: Tensors) -> Any:
        """Sums over the rows: [tensor, column]."""

    def square_sums(self, tensors: Tensors) -> Any:
        """Sums of squares: [tensor]."""

    def nonzero_counts(self, tensors: Tensors) -> Any:
        """Numbers of values that are not zero: [tensor]."""

    def kernel_square_sums(self, kernels: Sequence[Any]) -> Any:
        """Sums of squares of kernels of any shapes: float64 [kernel]."""

    def kernel_sums(self, kernels: Sequence[Any], single_sum: Callable[[Any], Any]) -> Any:
        """Sums of kernels of any shapes: float64 [kernel]; `single_sum` sums one of them."""

    def bin_counts(self, bins: Any, size: int) -> Any:
        """How often each of ``range(size)`` occurs in `bins`: int32 [size]."""


class GraphReductions:
    """The operations that cost least in a graph on a CPU."""

    stacking_limit: float = 2**13

    def differences(self, tensors: Tensors) -> Tensors:
        """The tensors minus their first rows."""
        if isinstance(tensors, list):
            return [tensor - tensor[:1] for tensor in tensors]
        # Eigen broadcasts a middle axis slowly: copying the row costs less than half of that.
        return tensors - tf.gather(tensors, np.zeros(tensors.shape[1], np.int32), axis=1)

    def sums(self, tensors: Tensors) -> Any:
        """Sums: [tensor]."""
        if isinstance(tensors, list):
            return tf.stack([tf.reduce_sum(tensor) for tensor in tensors])
        return tf.reduce_sum(tf.reduce_sum(tensors, 1), 1)

    def row_sums(self, tensors: Tensors) -> Any:
        """Sums over the rows: [tensor, column]; of single tensors by the fastest operation."""
        if isinstance(tensors, list):
            ones = tf.ones([1, length(tensors[0])], tensors[0].dtype)
            return tf.concat([tf.matmul(ones, tensor) for tensor in tensors], 0)
        return tf.reduce_sum(tensors, 1)

    def square_sums(self, tensors: Tensors) -> Any:
        """Sums of squares: [tensor], by operations that make no copy of the squares."""
        if isinstance(tensors, list):
            return 2.0 * tf.stack([tf.raw_ops.L2Loss(t=tensor) for tensor in tensors])
        return tf.square(tf.raw_ops.EuclideanNorm(input=tensors, axis=[1, 2]))

    def nonzero_counts(self, tensors: Tensors) -> Any:
        """Numbers of values that are not zero: [tensor]."""
        if isinstance(tensors, list):
            return self.square_sums([tf.sign(tensor) for tensor in tensors])
        # The square of a count's float32 root need not be a whole number.
        return tf.round(self.square_sums(tf.sign(tensors)))

    def kernel_square_sums(self, kernels: Sequence[Any]) -> Any:
        """Sums of squares of kernels of any shapes: float64 [kernel]."""
        # L2Loss is half the sum of squares.
        return 2.0 * _float64_vector([tf.raw_ops.L2Loss(t=kernel) for kernel in kernels])

    def kernel_sums(self, kernels: Sequence[Any], single_sum: Callable[[Any], Any]) -> Any:
        """Sums of kernels of any shapes: float64 [kernel]."""
        return _float64_vector([single_sum(kernel) for kernel in kernels])

    def bin_counts(self, bins: Any, size: int) -> Any:
        """How often each of ``range(size)`` occurs in `bins`: int32 [size]."""
        return tf.math.bincount(bins, minlength=size, maxlength=size)


class XlaReductions:
    """Sums for XLA on a CPU, which makes vector code of additions of tensors, and of little else.

    XLA makes scalar code of a reduction, one value after another, and has no operation for a norm
    or for counts into bins. A stack whose rows are split into blocks which are added to each other
    is reduced by vector additions instead.
    """

    stacking_limit: float = math.inf

    def differences(self, tensors: Tensors) -> Tensors:
        """The tensors minus their first rows."""
        return tensors - tensors[:, :1]

    def sums(self, tensors: Tensors) -> Any:
        """Sums: [tensor]."""
        return tf.reduce_sum(self.row_sums(tensors), 1)

    def row_sums(self, tensors: Tensors) -> Any:
        """Sums over the rows: [tensor, column]."""
        rows = int(tensors.shape[1])
        while rows > 1:
            count = max((d for d in range(2, BLOCKS + 1) if rows % d == 0), default=0)
            if not count:
                return tf.reduce_sum(tensors, 1)
            tensors = tf.add_n(tf.split(tensors, count, axis=1))
            rows //= count
        return tf.squeeze(tensors, 1)

    def square_sums(self, tensors: Tensors) -> Any:
        """Sums of squares: [tensor]."""
        return self.sums(tf.square(tensors))

    def nonzero_counts(self, tensors: Tensors) -> Any:
        """Numbers of values that are not zero: [tensor]."""
        return self.sums(tf.abs(tf.sign(tensors)))

    def kernel_square_sums(self, kernels: Sequence[Any]) -> Any:
        """Sums of squares of kernels of any shapes: float64 [kernel]."""
        return _by_shape(kernels, self.square_sums)

    def kernel_sums(self, kernels: Sequence[Any], single_sum: Callable[[Any], Any]) -> Any:
        """Sums of kernels of any shapes: float64 [kernel]."""
        del single_sum  # a product of a gradient's factors is not cheaper here
        return _by_shape(kernels, self.sums)

    def bin_counts(self, bins: Any, size: int) -> Any:
        """How often each of ``range(size)`` occurs in `bins`: int32 [size]."""
        return tf.math.unsorted_segment_sum(tf.ones_like(bins), bins, size)


def reductions_for(*, jit: bool) -> Reductions:
    """The sums that suit a step that XLA compiles (`jit`) or does not."""
    return XlaReductions() if jit else GraphReductions()


def _float64_vector(scalars: Sequence[Any]) -> Any:
    """Scalars of one type or several as one float64 vector."""
    if len({scalar.dtype for scalar in scalars}) > 1:
        scalars = [tf.cast(scalar, tf.float64) for scalar in scalars]
    return tf.cast(tf.stack(scalars), tf.float64)


def _by_shape(kernels: Sequence[Any], reduce: Callable[[Any], Any]) -> Any:
    """Reduce kernels to numbers, those of one shape in one stack, and give them in their order."""
    positions_by_shape: dict[tuple[Any, ...], list[int]] = {}
    for position, kernel in enumerate(kernels):
        key = (tuple(kernel.shape), kernel.dtype)
        positions_by_shape.setdefault(key, []).append(position)
    reduced = [
        tf.cast(reduce(tf.stack([_matrix(kernels[i]) for i in positions])), tf.float64)
        for positions in positions_by_shape.values()
    ]
    order = [position for positions in positions_by_shape.values() for position in positions]
    return tf.gather(tf.concat(reduced, 0), np.argsort(order))


def _matrix(x: Any) -> Any:
    return x if x.shape.rank == 2 else tf.reshape(x, [-1, x.shape[-1]])
