"""The live lines keep their figures where a terminal is narrow."""

from __future__ import annotations

from gradscope.cli.progress import _Group


def test_the_figures_stand_before_the_names() -> None:
    group = _Group("block12_attention/query", "block12_attention/value", 1.25e-3, 7.85e-1)
    assert "signal 1.25e-03  gradient 7.85e-01 of the last" in group.row[:52]
    assert group.row.endswith("block12_attention/query ... block12_attention/value")
