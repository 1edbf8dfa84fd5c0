"""Sentences below the layer table: what its columns hold, and what has no row and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from gradscope.message_text import counted
from gradscope.record import LayerInfo, RunRecord, Trait
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.unmeasured_reasons import reason_sentence

POSITIONS = (
    "A unit at several positions (pixels, time steps) has a delta at each: its gradient is the "
    "root of the sum of their squares."
)
BRANCHES = (
    "This network branches: layers are in the order in which they were called, and gains are not "
    "shown, because the next layer may be on another path."
)


def notes(record: RunRecord, omitted: Sequence[LayerInfo], gains: bool) -> Iterator[str]:
    """The notes of a table in which the layers `omitted` have no row."""
    if not gains:
        yield BRANCHES
    if any(layer.positions > 1 and layer.weighted for layer in record.layers):
        yield POSITIONS
    yield from _recurrent(record.layers)
    yield from _omitted(omitted)


def _recurrent(layers: Sequence[LayerInfo]) -> Iterator[str]:
    """What the columns show for layers whose activation acts inside a loop."""
    loops = [layer for layer in layers if Trait.LOOP in layer.traits and layer.measured]
    if loops:
        yield (
            f"{_kinds(loops)}: the activation acts inside the loop, so the signal is the rms of "
            "what the layer gives, and there is no slope."
        )


def _omitted(layers: Sequence[LayerInfo]) -> Iterator[str]:
    """The layers without a row: measured without a finding, or not measured, and why."""
    measured = [layer for layer in layers if layer.measured]
    if measured:
        count = counted(len(measured), "more layer")
        yield f"{count} measured, figures in result.json: {_kinds(measured)}"
    missing = [layer for layer in layers if not layer.measured]
    if missing:
        reasons = "; ".join(
            f"{_kinds(alike)} ({reason})" if reason else _kinds(alike)
            for reason, alike in _by_reason(missing)
        )
        yield f"{counted(len(missing), 'layer')} without figures of their own: {reasons}"


def _kinds(layers: Iterable[LayerInfo]) -> str:
    """How many of each kind: `Add x4, Softmax`."""
    counts = Counter(printable(layer.kind) for layer in layers)
    return ", ".join(kind if n == 1 else f"{kind} x{n}" for kind, n in counts.items())


def _by_reason(layers: Iterable[LayerInfo]) -> list[tuple[str, list[LayerInfo]]]:
    """Reason -> layers that are not measured; activations of other layers share one reason."""
    groups: dict[str, list[LayerInfo]] = {}
    for layer in layers:
        reason = reason_sentence(layer, owner="the layer before") if layer.reason else ""
        groups.setdefault(reason, []).append(layer)
    return list(groups.items())
