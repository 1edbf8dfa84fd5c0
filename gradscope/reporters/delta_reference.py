"""The name of the layer whose delta a report compares the others with."""

from __future__ import annotations

from gradscope.analyzer.curves.depth_profile import delta_reference
from gradscope.record import Role, RunRecord
from gradscope.reporters.layout.sanitizing import printable

LAST_HIDDEN = "the last hidden layer"


def reference_name(record: RunRecord) -> str:
    """The layer's name, safe to show, or `LAST_HIDDEN` where it is that."""
    index = delta_reference(record)
    if index is None or index == max(record.indices(Role.HIDDEN), default=index):
        return LAST_HIDDEN
    return printable(record.layers[index].name)
