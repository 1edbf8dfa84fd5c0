"""The `expect` section of a config: budgets for `gradscope check`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Gt, Le

from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.value_readers.mapping_reader import Key
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext, Schema
from gradscope.message_text import show_value

_Positive = Annotated[float, Gt(0.0)]
_Share = Annotated[float, Ge(0.0), Le(1.0)]


@dataclass(frozen=True)
class RangeReader:
    """Two positive numbers, the lower one first: `[1e-3, 1e3]`."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Read both ends."""
        if value is INVALID:
            return INVALID
        if not isinstance(value, list) or len(value) != 2:
            context.report(path, f"expected a list [low, high], received {show_value(value)}")
            return INVALID
        ends = [
            TypedValueReader(_Positive).read(item, (*path, i), context)
            for i, item in enumerate(value)
        ]
        if INVALID in ends:
            return INVALID
        if ends[0] >= ends[1]:
            context.report(path, f"the lower end comes first, received {show_value(value)}")
            return INVALID
        return (float(ends[0]), float(ends[1]))

    def json_schema(self) -> Schema:
        """Describe the list."""
        item = TypedValueReader(_Positive).json_schema()
        return {"type": "array", "items": item, "minItems": 2, "maxItems": 2}


EXPECT_KEYS: Final[Mapping[str, Key]] = {
    "verdict": Key(
        TypedValueReader(Literal["healthy", "warning", "unhealthy"]),
        None,
        "what the detectors have to conclude; warning accepts healthy too",
    ),
    "delta_ratio": Key(
        RangeReader(),
        None,
        "rms of delta, first hidden layer over last, at the start and in training",
    ),
    "signal_ratio": Key(
        RangeReader(), None, "rms of z, last hidden layer over first, at the start and in training"
    ),
    "max_dead_fraction": Key(
        TypedValueReader(_Share), None, "dead units of the worst layer, at most"
    ),
    "min_derivative_gain": Key(
        TypedValueReader(_Share), None, "mean phi' / max phi' of the worst layer, at least"
    ),
    "min_accuracy": Key(
        TypedValueReader(_Share), None, "accuracy on the test set, mean of the seeds"
    ),
    "max_loss": Key(
        TypedValueReader(Annotated[float, Ge(0.0)]), None, "loss on the test set, mean of the seeds"
    ),
}
