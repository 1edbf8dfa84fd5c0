"""The ledger of residual blocks that are written down by hand, without Keras."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradscope.record import InitialDraws, LayerInfo
from gradscope.record.initial_draws import TENSORS, CallTensors
from gradscope.theory.ledger import Ledger, ledger
from gradscope.theory.ledger_causes import LedgerKind, ledger_causes
from tests.layers import layer_row

STREAM_SECOND, IN_CODE = "stream second", "in code"


def _layers(*kinds: str) -> tuple[LayerInfo, ...]:
    rows = []
    for at, kind in enumerate(kinds):
        role = {"Add": "structure", "LayerNormalization": "normalization"}.get(kind, "hidden")
        rows.append(layer_row(at, f"{kind.lower()}_{at}", kind, role))
    return tuple(rows)


def _drawn(moments: list[float], calls: list[CallTensors]) -> InitialDraws:
    """Eight draws that all have these second moments."""
    return InitialDraws({TENSORS: np.tile(moments, (9, 1))}, calls=tuple(calls))


def _stream(
    added: float, blocks: int = 4, *, norm: str = ""
) -> tuple[tuple[LayerInfo, ...], InitialDraws, Ledger]:
    """Blocks that add a share of the stream's second moment, with a norm somewhere.

    Or with the branch as the first input of each sum, or with sums that no layer makes.
    """
    kinds, moments, calls = ["Dense"], [1.0, 2.0], [CallTensors(0, (0,), 1)]
    stream = 1
    for _ in range(blocks):
        fed = stream
        for kind in {
            "before": ["LayerNormalization", "Dense"],
            "end": ["Dense", "LayerNormalization"],
        }.get(norm, ["Dense"]):
            calls.append(CallTensors(len(kinds), (fed,), len(moments)))
            kinds.append(kind)
            fed = len(moments)
            moments.append(added * moments[stream])
        terms = (fed, stream) if norm == STREAM_SECOND else (stream, fed)
        calls.append(CallTensors(-1 if norm == IN_CODE else len(kinds), terms, len(moments)))
        if norm != IN_CODE:
            kinds.append("Add")
        before = stream
        stream = len(moments)
        moments.append(moments[before] + moments[fed])
        if norm == "after":
            calls.append(CallTensors(len(kinds), (stream,), len(moments)))
            kinds.append("LayerNormalization")
            stream = len(moments)
            moments.append(1.0)
    layers, draws = _layers(*kinds), _drawn(moments, calls)
    return layers, draws, ledger(layers, draws)


def test_branches_that_start_at_zero_leave_the_stream_as_it_is() -> None:
    """A gain is nothing over nothing behind them, and is left out."""
    layers, draws, entries = _stream(0.0)
    assert [block.added for block in entries.blocks] == [0.0] * 4
    assert [block.gain for block in entries.blocks] == [1.0] * 4
    assert entries.product(len(entries.rows) - 1) == pytest.approx(2.0)
    zero = entries.rows[1]
    assert zero.given == 0.0 and zero.weights == 0.0 and math.isnan(zero.activation)
    assert ledger_causes(layers, draws, entries) == ()


@pytest.mark.parametrize("way", ["", STREAM_SECOND, IN_CODE])
def test_blocks_without_a_norm_multiply_the_stream(way: str) -> None:
    """Whichever input of the sum is the stream, and where ``x + f(x)`` makes no layer."""
    layers, draws, entries = _stream(1.0, norm=way)
    [cause] = ledger_causes(layers, draws, entries)
    assert cause.kind is LedgerKind.BLOCKS and cause.count == 4
    assert cause.share == pytest.approx(1.0) and cause.each == pytest.approx(math.sqrt(2.0))
    assert cause.total == pytest.approx(4.0) and cause.start == pytest.approx(2.0)


def test_a_sum_that_no_layer_makes_is_a_row_by_its_branch() -> None:
    layers, _, entries = _stream(1.0, norm=IN_CODE)
    assert [block.name for block in entries.blocks] == [f"x + dense_{at}" for at in range(1, 5)]
    assert [block.last for block in entries.blocks] == [f"dense_{at}" for at in range(1, 5)]
    last = entries.rows[-1]
    assert entries.layers[last.layer].name == "x + dense_4" and last.layer >= len(layers)
    assert entries.product(len(entries.rows) - 1) == pytest.approx(32.0)
    path = [row.name for row in entries.path(len(entries.rows) - 1)]
    assert path == ["dense_0", *(f"x + dense_{at}" for at in range(1, 5))]


def _chain(gains: list[float], *, behind: tuple[int, ...] = ()) -> tuple[Any, InitialDraws]:
    """Dense layers in a row; the last reads what operations make of the tensors in `behind`."""
    layers = _layers("Embedding", *["Dense"] * len(gains))
    moments, calls = [1e-4], [CallTensors(0, (), 0)]
    for at, gain in enumerate(gains, start=1):
        calls.append(CallTensors(at, (at - 1,), at))
        moments.append(moments[-1] * gain)
    if behind:
        moments.append(1e-9)
        calls[-1] = CallTensors(len(gains), (len(moments) - 1,), len(gains), behind=behind)
    return layers, _drawn(moments, calls)


def test_the_parts_of_a_chain_multiply_to_what_is_said_of_each_layer() -> None:
    """An Embedding is fed no size: its rms of 0.01 is none of a layer's gain."""
    layers, draws = _chain([0.25, 0.5, 0.125, 0.5])
    [cause] = ledger_causes(layers, draws, ledger(layers, draws))
    assert cause.kind is LedgerKind.LAYERS and cause.layers == ("dense_1", "dense_2", "dense_3")
    assert cause.each**2 == pytest.approx(cause.weights * cause.activation)
    assert cause.total == pytest.approx(math.sqrt(0.25 * 0.5 * 0.125))


def test_no_chain_goes_through_an_operation_on_several_tensors() -> None:
    """As through the sum of a stream and a branch of 1e-6 of it."""
    layers, draws = _chain([0.25] * 5, behind=(4, 2))
    entries = ledger(layers, draws)
    assert entries.rows[-1].merged and entries.rows[-1].source == 2  # the stream
    assert not entries.rows[-2].merged
    assert ledger_causes(layers, draws, entries) == ()


def test_a_draw_in_which_all_units_are_dead_does_not_make_the_gain_0() -> None:
    layers = _layers("Dense", "Dense")
    calls = [CallTensors(0, (0,), 1), CallTensors(1, (1,), 2)]
    draws = _drawn([1.0, 4.0, 2.0], calls)
    draws.figures[TENSORS][3, 1] = 0.0
    entries = ledger(layers, draws)
    assert [row.gain for row in entries.rows] == pytest.approx([4.0, 0.5])


@pytest.mark.parametrize("norm", ["before", "end", "after"])
def test_a_norm_on_the_branch_or_behind_the_sum_sets_the_size_anew(norm: str) -> None:
    layers, draws, entries = _stream(1.0, norm=norm)
    assert all(block.normed for block in entries.blocks)
    causes = ledger_causes(layers, draws, entries)
    assert LedgerKind.BLOCKS not in {cause.kind for cause in causes}
