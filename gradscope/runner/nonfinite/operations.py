"""Operations of TensorFlow that have no finite result at some finite arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.record.nonfinite_origin import OperationKind

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Operation:
    """An operation with an edge: its name in Keras, which input decides, and where the edge is.

    `forward(values)` and `backward(values)` say of each value of that input whether the result, or
    the derivative, is not finite there. `overflows` says that large arguments are an edge too.
    """

    name: str
    kind: OperationKind
    operand: int
    forward: Callable[[Values], Values]
    backward: Callable[[Values], Values]


def _never(values: Values) -> Values:
    return np.zeros(values.shape, bool)


def _negative(values: Values) -> Values:
    return values < 0


def _not_positive(values: Values) -> Values:
    return values <= 0


def _zero(values: Values) -> Values:
    zero: Values = values == 0
    return zero


def _infinite(values: Values) -> Values:
    infinite: Values = np.isinf(values)
    return infinite


_ROOT, _LOGARITHM = OperationKind.ROOT, OperationKind.LOGARITHM
_DIVISION, _EXPONENTIAL = OperationKind.DIVISION, OperationKind.EXPONENTIAL

OPERATIONS: dict[str, Operation] = {
    "Sqrt": Operation("sqrt", _ROOT, 0, _negative, _not_positive),
    "Rsqrt": Operation("rsqrt", _ROOT, 0, _not_positive, _not_positive),
    "EuclideanNorm": Operation("norm", _ROOT, 0, _never, _never),
    "Pow": Operation("power", _ROOT, 0, _not_positive, _not_positive),
    "Log": Operation("log", _LOGARITHM, 0, _not_positive, _not_positive),
    "Log1p": Operation("log1p", _LOGARITHM, 0, lambda x: x <= -1, lambda x: x <= -1),
    "Xlogy": Operation("log", _LOGARITHM, 1, _not_positive, _not_positive),
    "RealDiv": Operation("division", _DIVISION, 1, _zero, _zero),
    "Div": Operation("division", _DIVISION, 1, _zero, _zero),
    "Xdivy": Operation("division", _DIVISION, 1, _zero, _zero),
    "Reciprocal": Operation("division", _DIVISION, 0, _zero, _zero),
    "Inv": Operation("division", _DIVISION, 0, _zero, _zero),
    "Exp": Operation("exp", _EXPONENTIAL, 0, _never, _never),
    "Expm1": Operation("expm1", _EXPONENTIAL, 0, _never, _never),
    "Cosh": Operation("cosh", _EXPONENTIAL, 0, _never, _never),
    "Sinh": Operation("sinh", _EXPONENTIAL, 0, _never, _never),
    "Softmax": Operation("softmax", OperationKind.SOFTMAX, 0, _infinite, _infinite),
    "LogSoftmax": Operation("log_softmax", OperationKind.SOFTMAX, 0, _infinite, _infinite),
}
"""By TensorFlow's type; the edges are those of IEEE 754 and of the derivative's formula."""

NAMES: dict[str, str] = {
    "AddV2": "addition",
    "BiasAdd": "addition of the bias",
    "Cast": "cast",
    "Conv2D": "convolution",
    "MatMul": "matmul",
    "BatchMatMulV2": "matmul",
    "Mean": "mean",
    "Mul": "multiplication",
    "Sub": "subtraction",
    "Sum": "sum",
    "Square": "square",
    "SquaredDifference": "squared difference",
}
"""Names of operations without an edge of their own, where TensorFlow's is not plain."""

CONTAINERS: dict[str, str] = {
    "Case": "a condition",
    "If": "a condition",
    "PartitionedCall": "a tf.function",
    "StatefulPartitionedCall": "a tf.function",
    "StatelessIf": "a condition",
    "StatelessWhile": "a loop",
    "While": "a loop",
}
"""Operations that hold a graph of their own, which is not looked into."""

DIFFERENTIATED: dict[str, str] = {"SqrtGrad": "Sqrt", "RsqrtGrad": "Rsqrt"}
"""Operations of the backward pass, and what they differentiate."""


def operation_name(kind: str) -> str:
    """The name of TensorFlow's type `kind`, in Keras's words where they are known."""
    if kind in OPERATIONS:
        return OPERATIONS[kind].name
    return CONTAINERS.get(kind) or NAMES.get(kind, kind)
