"""Match the layers of two networks: by name, and where names changed, by order."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from gradscope.record import LayerInfo, Role

COMPARED = (Role.HIDDEN, Role.OUTPUT, Role.NORMALIZATION)
"""Roles of the layers that a gate compares; Flatten, Dropout and the like have no figures."""


@dataclass(frozen=True)
class Alignment:
    """Pairs of indices (before, after) in depth order, and the layers without a counterpart.

    `renamed` are the pairs whose names differ.
    """

    pairs: tuple[tuple[int, int], ...]
    renamed: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]


def align(before: Sequence[LayerInfo], after: Sequence[LayerInfo]) -> Alignment:
    """Match the compared layers of two networks.

    Layers of one name and kind belong together. The other layers are matched in order by kind, role
    and units: this finds renamed layers. Where all kinds, roles and units are equal and some name
    is not, names are ignored: Keras calls the first Dense layer of a process `dense` and that of
    a second model `dense_3`, so that `dense_1` of one model may be `dense_4` of the other.
    """
    old = [layer for layer in before if layer.measured and layer.role in COMPARED]
    new = [layer for layer in after if layer.measured and layer.role in COMPARED]
    pairs = _by_name(old, new)
    rest_old = [layer for layer in old if all(layer is not a for a, _ in pairs)]
    rest_new = [layer for layer in new if all(layer is not b for _, b in pairs)]
    renamed = _in_order(rest_old, rest_new)
    pairs = sorted(pairs + renamed, key=lambda pair: pair[1].index)
    matched = {a.name for a, _ in pairs}, {b.name for _, b in pairs}
    return Alignment(
        pairs=tuple((a.index, b.index) for a, b in pairs),
        renamed=tuple((a.name, b.name) for a, b in renamed if a.name != b.name),
        removed=tuple(layer.name for layer in old if layer.name not in matched[0]),
        added=tuple(layer.name for layer in new if layer.name not in matched[1]),
    )


def _by_name(
    old: Sequence[LayerInfo], new: Sequence[LayerInfo]
) -> list[tuple[LayerInfo, LayerInfo]]:
    named = {(layer.name, layer.kind, layer.role): layer for layer in new}
    counterparts = [(layer, named.get((layer.name, layer.kind, layer.role))) for layer in old]
    pairs = [(layer, same) for layer, same in counterparts if same is not None]
    return [] if len(pairs) < len(old) and _shapes(old) == _shapes(new) else pairs


def _shapes(layers: Sequence[LayerInfo]) -> list[tuple[str, str, int | None]]:
    return [(layer.kind, layer.role, layer.units) for layer in layers]


def _in_order(
    old: Sequence[LayerInfo], new: Sequence[LayerInfo]
) -> list[tuple[LayerInfo, LayerInfo]]:
    blocks = difflib.SequenceMatcher(
        a=_shapes(old), b=_shapes(new), autojunk=False
    ).get_matching_blocks()
    return [(old[block.a + i], new[block.b + i]) for block in blocks for i in range(block.size)]
