"""Causes by the ledger of a graph whose draws are not finite."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from gradscope.theory.ledger import Ledger, LedgerRow
from gradscope.theory.ledger_causes import ledger_causes
from tests.analyzer.synthetic import network


def test_no_layer_with_a_finite_gain_has_no_cause() -> None:
    """As behind the logarithm of zero, where everything is Inf or NaN."""
    layers = network([10] * 3)
    rows = tuple(
        LedgerRow(layer.index, layer.name, layer.kind, math.inf, math.nan, layer.index - 1)
        for layer in layers
    )
    draws: Any = SimpleNamespace(maps=())
    assert ledger_causes(layers, draws, Ledger(rows, (), tuple(layers))) == ()
