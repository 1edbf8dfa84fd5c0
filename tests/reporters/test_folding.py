"""A deep table is shortened without hiding anything that differs."""

from dataclasses import replace

import pytest

from gradscope.reporters.folding import Fold, fold
from gradscope.reporters.layer_table import LayerRow, Mark, layer_table
from tests.reporters import fixtures

SICK = (Mark("GS101", "vanishing gradient", "error"),)


def rows(count):
    return [
        LayerRow(
            i,
            f"hidden_{i}",
            "Dense",
            "hidden",
            "relu",
            signal=1.0,
            signal_gain=1.0,
            gradient=1.0,
            gradient_gain=1.0,
            dead=0.01,
            derivative_gain=0.5,
            update_ratio=1e-3,
        )
        for i in range(count)
    ]


def shown(folded):
    return {row.index for row in folded if isinstance(row, LayerRow)}


def test_a_shallow_table_is_left_alone():
    assert fold(rows(30)) == rows(30)


def test_layers_alike_are_counted():
    folded = fold(rows(100))
    assert shown(folded) == {0, 1, 98, 99}
    (middle,) = (row for row in folded if isinstance(row, Fold))
    assert middle.words == "... 96 layers like these: signal 1, gradient 1"


def test_every_row_is_either_shown_or_counted():
    deep = layer_table(fixtures.deep(sick=True)).rows
    folded = fold(deep)
    counted = [row for part in folded for row in (part.rows if isinstance(part, Fold) else (part,))]
    assert counted == list(deep)
    assert len(folded) < 50


@pytest.mark.parametrize(("start", "end"), [(0, 100), (7, 41), (50, 50), (98, 99)])
def test_both_ends_of_a_finding_stay(start, end):
    deep = rows(101)
    for i in range(start, end + 1):
        deep[i] = replace(deep[i], marks=SICK)
    assert {start, end} <= shown(fold(deep))


@pytest.mark.parametrize(
    "change",
    [
        {"marks": SICK},
        {"dead": 1.0},
        {"gradient_gain": 0.2},
        {"signal_gain": 5.0},
        {"derivative_gain": 0.05},
        {"update_ratio": 1e-6},
        {"signal": float("nan")},
        {"gradient": 0.0},
        {"activation": "tanh"},
        {"note": "non-finite since step 7"},
    ],
)
def test_a_layer_that_departs_stays(change):
    deep = rows(100)
    deep[57] = replace(deep[57], **change)
    assert 57 in shown(fold(deep))


def test_a_slope_keeps_landmarks():
    deep = [replace(row, gradient=10.0 ** -(99 - row.index)) for row in rows(100)]
    assert 10 <= len(shown(fold(deep))) <= 30


def test_batch_norms_fold_with_their_layers():
    folded = fold(layer_table(fixtures.batch_norm(60)).rows)
    (middle,) = (row for row in folded if isinstance(row, Fold))
    assert len(middle.weighted) == 56
    assert middle.words.endswith("with 56 layers between them")
