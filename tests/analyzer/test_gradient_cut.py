"""Layers that the survey found cut off, from hand-made records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope.analyzer.curves.gradient_cut import unreached
from gradscope.record import UnmeasuredReason
from tests.analyzer.synthetic import network, record


@pytest.mark.parametrize(
    ("name", "cut_off"),
    [("head", True), ("other#2", True), ("hidden_1#3", False)],
)
def test_a_call_that_no_gradient_reaches_is_not_a_layer_that_none_reaches(
    name: str, cut_off: bool
) -> None:
    """WGAN-GP: the penalty on the critic's gradient does not depend on the output of its call."""
    made = record(network([8, 8, 8]), steps=4)
    last = made.layers[-1]
    silent = replace(
        last, name=name, measured=False, reason=UnmeasuredReason.NO_GRADIENT, index=last.index
    )
    before, aside = unreached(replace(made, layers=(*made.layers[:-1], silent)))
    assert [layer.name for layer in (*before, *aside)] == ([name] if cut_off else [])
