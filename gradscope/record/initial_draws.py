"""What each layer shows when the weights are drawn again, beside what it shows with its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LAYER_FIGURES = (
    "preactivation_second_moment",
    "activation_second_moment",
    "delta_second_moment",
)
"""Statistics of the layers that the draws have, one column for each layer of the record."""

MAP_FIGURES = ("output", "response", "mean_response", "input_delta", "delta_response")
"""Figures of the linear maps: E z^2 without the bias; the same for a kernel of ones on x^2; for a
kernel of ones on x, squared, NaN where the kernel has no mean; E (L^T delta)^2; the transposed map
of ones on delta^2."""

WEIGHT_FIGURES = ("weight_mean", "weight_second_moment")

TENSORS, TENSOR_DELTAS = "tensor_second_moment", "tensor_delta_second_moment"

TENSOR_FIGURES = (TENSORS, TENSOR_DELTAS)
"""E x^2 and E delta^2 of every tensor that a layer is fed or gives; delta is that of the loss by
this tensor, with all that reads it, NaN where no gradient comes back."""

TIMES = "recurrent_delta_second_moment"

TIME_FIGURES = (TIMES,)
"""E (dL/dh_t)^2 at each time step of every recurrent layer, one layer behind the other."""


class WeightDraw(StrEnum):
    """Whether a weight is drawn again, and if not, why."""

    AS_MADE = "as_made"
    """Drawn; draw 0 is bit for bit the weight that the model has."""
    OTHER_VALUES = "other_values"
    """Drawn from the initializer that made it; the model has other values by now."""
    CONSTANT = "constant"
    """Its initializer gives the same values each time."""
    NO_INITIALIZER = "no_initializer"
    """No layer made it by `add_weight`; it keeps its value in all draws."""
    NOT_TRACED = "not_traced"
    """Its initializer fails inside a traced function; it keeps its value in all draws."""
    OTHER_GENERATOR = "other_generator"
    """Its initializer does not draw from Keras's seeds; it keeps its value in all draws."""


KEPT = (WeightDraw.NO_INITIALIZER, WeightDraw.NOT_TRACED, WeightDraw.OTHER_GENERATOR)


@dataclass(frozen=True)
class DrawnWeight:
    """One weight of the model: Keras's path, its shape, and whether it is drawn again."""

    path: str
    shape: tuple[int, ...]
    draw: WeightDraw

    @property
    def drawn(self) -> bool:
        """Whether the draws differ in it."""
        return self.draw in (WeightDraw.AS_MADE, WeightDraw.OTHER_VALUES)


@dataclass(frozen=True)
class LinearMap:
    """A layer whose output is linear in its input and in its weights.

    `layer` is the index of its row, `weights` are positions in `InitialDraws.weights`; several
    where one map follows another (SeparableConv2D).
    """

    layer: int
    weights: tuple[int, ...]


@dataclass(frozen=True)
class CallTensors:
    """The tensors of one layer's call, as columns of `TENSOR_FIGURES`.

    `layer` is the index of the layer's row; -1 for a sum in the model's code, as ``x + f(x)``.
    `inputs` are what it is fed, `z` what its fused activation receives (-1 without one) and
    `output` what it gives. `behind` are the tensors of other calls that inputs which no call gives
    are computed from, nearest first.
    """

    layer: int
    inputs: tuple[int, ...]
    output: int
    z: int = -1
    behind: tuple[int, ...] = ()


@dataclass(frozen=True)
class InitialDraws:
    """Figures of the model's own weights and of its weights drawn `count` times.

    `figures` have the names of `LAYER_FIGURES` [1 + count, layer], `MAP_FIGURES` [1 + count, map],
    `WEIGHT_FIGURES` [1 + count, weight], `TENSOR_FIGURES` [1 + count, tensor] and `TIME_FIGURES`
    [1 + count, time step]; row 0 is that of the model's own weights, on the first batch of the
    training. `batches` is the number of
    different batches that the draws were measured on. `cloned` says that the initializers are those
    of a clone, as for a model that was given built; `unavailable` that none is known.
    """

    figures: dict[str, Floats]
    weights: tuple[DrawnWeight, ...] = ()
    maps: tuple[LinearMap, ...] = ()
    calls: tuple[CallTensors, ...] = ()
    batches: int = 1
    cloned: bool = False
    seconds: float = 0.0
    unavailable: bool = False

    @property
    def count(self) -> int:
        """Number of draws, without the model's own weights."""
        return max(0, len(next(iter(self.figures.values()), ())) - 1)

    def to_json(self) -> dict[str, Any]:
        """Everything but the figures, in JSON's types."""
        content = {name: value for name, value in vars(self).items() if name != "figures"}
        for name in ("weights", "maps", "calls"):
            content[name] = [asdict(item) for item in content[name]]
        return content | {"figures": list(self.figures)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], figures: dict[str, Floats]) -> InitialDraws:
        """The draws that `to_json` was made from, with their figures."""
        values = dict(content)
        values["weights"] = tuple(
            DrawnWeight(item["path"], tuple(item["shape"]), WeightDraw(item["draw"]))
            for item in content["weights"]
        )
        values["maps"] = tuple(
            LinearMap(item["layer"], tuple(item["weights"])) for item in content["maps"]
        )
        values["calls"] = tuple(
            CallTensors(
                item["layer"],
                tuple(item["inputs"]),
                item["output"],
                item["z"],
                tuple(item["behind"]),
            )
            for item in content["calls"]
        )
        return cls(**values | {"figures": figures})
