"""The ledger of residual blocks that are written down by hand, without Keras."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradscope.record import InitialDraws, LayerInfo, Trait
from gradscope.record.initial_draws import TENSORS, CallTensors
from gradscope.theory.ledger import Ledger, ledger
from gradscope.theory.ledger_causes import LedgerKind, ledger_causes
from tests.layers import layer_row


def _layers(*kinds: str) -> tuple[LayerInfo, ...]:
    rows = []
    for at, kind in enumerate(kinds):
        role = {"Add": "structure", "LayerNormalization": "normalization"}.get(kind, "hidden")
        traits = (Trait.MERGE, Trait.SUM) if kind == "Add" else ()
        rows.append(layer_row(at, f"{kind.lower()}_{at}", kind, role, traits=traits))
    return tuple(rows)


def _drawn(moments: list[float], calls: list[CallTensors]) -> InitialDraws:
    """Eight draws that all have these second moments."""
    return InitialDraws({TENSORS: np.tile(moments, (9, 1))}, calls=tuple(calls))


def _stream(
    added: float, blocks: int = 4, *, norm: str = ""
) -> tuple[tuple[LayerInfo, ...], InitialDraws, Ledger]:
    """Blocks that add a share of the stream's second moment, with a norm somewhere."""
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
        calls.append(CallTensors(len(kinds), (stream, fed), len(moments)))
        kinds.append("Add")
        stream = len(moments)
        moments.append(moments[calls[-1].inputs[0]] + moments[fed])
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


def test_blocks_without_a_norm_multiply_the_stream() -> None:
    layers, draws, entries = _stream(1.0)
    [cause] = ledger_causes(layers, draws, entries)
    assert cause.kind is LedgerKind.BLOCKS and cause.count == 4
    assert cause.share == pytest.approx(1.0) and cause.each == pytest.approx(math.sqrt(2.0))
    assert cause.total == pytest.approx(4.0) and cause.start == pytest.approx(2.0)


@pytest.mark.parametrize("norm", ["before", "end", "after"])
def test_a_norm_on_the_branch_or_behind_the_sum_sets_the_size_anew(norm: str) -> None:
    layers, draws, entries = _stream(1.0, norm=norm)
    assert all(block.normed for block in entries.blocks)
    causes = ledger_causes(layers, draws, entries)
    assert LedgerKind.BLOCKS not in {cause.kind for cause in causes}
