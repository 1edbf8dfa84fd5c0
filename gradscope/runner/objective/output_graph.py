"""How a model makes its answers of the last pre-activation, so that other answers can be tried.

Keras's cross-entropies look behind the answers for the softmax or sigmoid that made them. The loss
of an answer is therefore that of a pre-activation which passes the model's own output activation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradscope.record.layers import Trait
from gradscope.runner.survey import layer_kinds
from gradscope.runner.survey.calls import Call


class FactNotMeasured(Exception):
    """A fact of the start that cannot be measured; its message says why."""


@dataclass(frozen=True)
class OutputGraph:
    """The model's own function from the last pre-activation z to its answers.

    `layer` is the one whose activation makes the answers, or the activation layer itself; None
    where code of the model's own makes them: z then stands for the answers.
    """

    layer: Any = None
    fused: bool = False

    @property
    def known(self) -> bool:
        """Whether the answers are made of z by an activation that can be called again."""
        return self.layer is not None

    @property
    def activation(self) -> str:
        """Keras's name of the output activation; ``linear`` where it is not known."""
        return (layer_kinds.activation_of(self.layer)[0] or "linear") if self.known else "linear"

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The smallest and the largest answer, where both are finite."""
        entry = layer_kinds.activation_of(self.layer)[1] if self.known else None
        if entry is None or not all(math.isfinite(end) for end in entry.range):
            return None
        return entry.range

    def answers(self, z: Any) -> Any:
        """The answers that the model gives for the pre-activation `z`."""
        if not self.known:
            return z
        return self.layer.activation(z) if self.fused else self.layer.call(z)


def find_output_graph(calls: Sequence[Call], answers: Any) -> tuple[OutputGraph, Any]:
    """The output graph in the calls of a forward pass that gave `answers`, and its z there."""
    for call in reversed(calls):
        if not any(tensor is answers for tensor in call.outputs):
            continue
        if call.a is answers and call.z is not None:
            return OutputGraph(call.layer, fused=True), call.z
        if layer_kinds.has_trait(call.layer, Trait.ACTIVATION) and len(call.inputs) == 1:
            return OutputGraph(call.layer), call.inputs[0]
    return OutputGraph(), answers


def single_output(outputs: Sequence[Any]) -> int:
    """The position of the one output of a model; raises `FactNotMeasured` for several."""
    if len(outputs) != 1:
        raise FactNotMeasured(f"the model has {len(outputs)} outputs")
    return 0
