"""The `expect` section as it may be written: budgets that a check holds a run to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Gt, Le

from gradscope.config.document.document import REFUSED
from gradscope.config.value_readers.value_reader import Key, Plain, Reading, Schema
from gradscope.message_text import TreePath, show

_Positive = Annotated[float, Gt(0.0)]
_Share = Annotated[float, Ge(0.0), Le(1.0)]


@dataclass(frozen=True)
class Range:
    """Two positive numbers, the lower one first: `[1e-3, 1e3]`."""

    def read(self, value: Any, path: TreePath, reading: Reading) -> Any:
        """Read both ends."""
        if value is REFUSED:
            return REFUSED
        if not isinstance(value, list) or len(value) != 2:
            reading.report(path, f"expected a list [low, high], received {show(value)}")
            return REFUSED
        ends = [Plain(_Positive).read(item, (*path, i), reading) for i, item in enumerate(value)]
        if REFUSED in ends:
            return REFUSED
        if ends[0] >= ends[1]:
            reading.report(path, f"the lower end comes first, received {show(value)}")
            return REFUSED
        return (float(ends[0]), float(ends[1]))

    def json_schema(self) -> Schema:
        """Describe the list."""
        item = Plain(_Positive).json_schema()
        return {"type": "array", "items": item, "minItems": 2, "maxItems": 2}


EXPECT_KEYS: Final[Mapping[str, Key]] = {
    "verdict": Key(
        Plain(Literal["healthy", "unhealthy"]), None, "what the detectors have to conclude"
    ),
    "delta_ratio": Key(
        Range(), None, "rms of delta, first hidden layer over last, at the start and in training"
    ),
    "signal_ratio": Key(
        Range(), None, "rms of z, last hidden layer over first, at the start and in training"
    ),
    "max_dead_fraction": Key(Plain(_Share), None, "dead units of the worst layer, at most"),
    "min_derivative_gain": Key(
        Plain(_Share), None, "mean phi' / max phi' of the worst layer, at least"
    ),
    "min_accuracy": Key(Plain(_Share), None, "accuracy on the test set, mean of the seeds"),
    "max_loss": Key(
        Plain(Annotated[float, Ge(0.0)]), None, "loss on the test set, mean of the seeds"
    ),
}
