"""Where the first NaN or Inf of a training came from: the operation and what it was given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class OriginPlace(StrEnum):
    """The part of a training step in which the first value that is not finite was made."""

    DATA = "data"
    WEIGHTS = "weights"
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    UPDATE = "update"
    UNKNOWN = "unknown"


class OperationKind(StrEnum):
    """Why an operation has no finite result.

    Each kind but the last two is an edge of the operation's domain. `OVERFLOW` is a result beyond
    the largest number of its dtype, `OTHER` an operation that is only named.
    """

    ROOT = "root"
    LOGARITHM = "logarithm"
    DIVISION = "division"
    EXPONENTIAL = "exponential"
    SOFTMAX = "softmax"
    EMPTY_MEAN = "empty_mean"
    OVERFLOW = "overflow"
    OTHER = "other"


@dataclass(frozen=True)
class ValueRange:
    """Some values: their number, dtype, and the range of those that are finite (NaN if none is)."""

    size: int
    dtype: str
    low: float
    high: float
    zeros: int


@dataclass(frozen=True)
class InvalidValue:
    """A value of the data that is not finite.

    `role` names the array (``training inputs``); `index` counts its samples from 0, `position` is
    the place within the sample, `value` as text. `count` of the `samples` samples have such a
    value.
    """

    role: str
    index: int
    position: tuple[int, ...]
    value: str
    count: int
    samples: int


@dataclass(frozen=True)
class NonFiniteOrigin:
    """The operation whose result was not finite although what it was given was.

    It is found by computing the batch of `step` again with the weights from before that step.
    `layer` is the innermost layer that makes the operation, ``""`` outside of all layers.
    In the backward pass the operation is the one that is differentiated: its derivative is not
    finite. `operation` is its name in Keras, `type` in TensorFlow. `operand` is what decides: the
    argument of a root, logarithm or exponential, the divisor of a division. `count` is the number
    of samples concerned where `per_sample`, else of values. `layer_inputs` are those of the layer,
    `answer_edge` is the value that the network's answers reached exactly where the logarithm of an
    answer, or of 1 minus it, is lost. `last_finite_step` is the last step known to be sound where
    the weights were lost between two measured steps. `fault` says why nothing could be located.
    """

    step: int
    place: OriginPlace
    layer: str = ""
    operation: str = ""
    type: str = ""
    kind: OperationKind = OperationKind.OTHER
    dtype: str = ""
    count: int = 0
    per_sample: bool = False
    operand: ValueRange | None = None
    layer_inputs: ValueRange | None = None
    answer_edge: float | None = None
    invalid: InvalidValue | None = None
    last_finite_step: int | None = None
    fault: str = ""

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> NonFiniteOrigin:
        """The origin that `dataclasses.asdict` and JSON were made from."""
        invalid = content["invalid"]
        ranges = {
            name: ValueRange(**content[name]) if content[name] else None
            for name in ("operand", "layer_inputs")
        }
        if invalid:
            invalid = InvalidValue(**invalid | {"position": tuple(invalid["position"])})
        kinds = {"place": OriginPlace(content["place"]), "kind": OperationKind(content["kind"])}
        return cls(**content | ranges | kinds | {"invalid": invalid})
