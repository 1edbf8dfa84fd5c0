"""The `sweep` section of a config: its JSON Schema, and that it is no part of one experiment.

`gradscope.config.sweep.axes` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from annotated_types import Ge, Le

from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.value_readers.mapping_reader import Key, MappingReader
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext, Schema

RANDOM_KEYS: Final[Mapping[str, Key]] = {
    "n": Key(
        TypedValueReader(Annotated[int, Ge(1), Le(100_000)]), None, "members drawn", required=True
    ),
    "seed": Key(TypedValueReader(Annotated[int, Ge(0), Le(2**31 - 1)]), 0, "seed of the draws"),
}
"""The keys of `random` in `combine`."""


@dataclass(frozen=True)
class SweepSectionReader:
    """The section in a config that is read as one experiment, where it has no meaning."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Report the section: a sweep is many networks."""
        del value
        context.report(
            path,
            "this config describes a sweep, which is many networks",
            "use `gradscope sweep CONFIG`, or remove the section",
            at_key=True,
        )
        return INVALID

    def json_schema(self) -> Schema:
        """Describe the section."""
        number_pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        num = {"type": "integer", "minimum": 2}
        whole = {"type": "boolean"}
        spans = [
            {
                "type": "object",
                "properties": {kind: number_pair, "num": num, "integer": whole},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in ("range", "log")
        ]
        axis = {"anyOf": [{"type": "array", "minItems": 1}, *spans]}
        random = {
            "type": "object",
            "properties": {"random": MappingReader(RANDOM_KEYS).json_schema()},
            "required": ["random"],
            "additionalProperties": False,
        }
        return {
            "type": "object",
            "properties": {
                "axes": {"type": "object", "additionalProperties": axis, "minProperties": 1},
                "combine": {"anyOf": [{"enum": ["grid", "zip"]}, random]},
                "seeds": {"type": "integer", "minimum": 1, "maximum": 1000},
            },
            "additionalProperties": False,
        }
