"""A deep table is shortened without hiding anything that differs."""

from dataclasses import replace

import pytest

from gradscope.reporters.run.tables.folding import Fold, fold
from gradscope.reporters.run.tables.layer_table import NAN, LayerRow, Mark, layer_table
from tests.each_case import each_case
from tests.reporters import fixtures

FIGURES = {"dead_fraction": 0.01, "derivative_gain": 0.5, "update_ratio": 1e-3}
NO_GAINS = {"signal_gain": NAN, "gradient_gain": NAN}
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
            figures=FIGURES,
        )
        for i in range(count)
    ]


def shown(folded):
    return {row.index for row in folded if isinstance(row, LayerRow)}


def test_a_shallow_table_is_left_alone():
    shallow = rows(30)
    assert fold(shallow) == shallow


def test_layers_alike_are_counted():
    folded = fold(rows(100))
    assert shown(folded) == {0, 1, 98, 99}
    (middle,) = (row for row in folded if isinstance(row, Fold))
    assert middle.text == "... 96 layers like these: signal 1, gradient 1"


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


@each_case(
    "change",
    [
        {"marks": SICK},
        {"figures": FIGURES | {"dead_fraction": 1.0}},
        {"gradient_gain": 0.2},
        {"signal_gain": 5.0},
        {"figures": FIGURES | {"derivative_gain": 0.05}},
        {"figures": FIGURES | {"update_ratio": 1e-6}},
        {"signal": float("nan")},
        {"gradient": 0.0},
        {"activation": "tanh"},
        {"band": "signal out"},
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


def test_batch_norms_with_a_finding_fold_with_their_layers():
    deep = [
        row if row.weighted else replace(row, marks=SICK)
        for row in layer_table(fixtures.batch_norm(60)).rows
    ]
    (middle,) = (row for row in fold(deep) if isinstance(row, Fold))
    assert len(middle.weighted) == 56
    assert middle.text.endswith("with 56 layers between them")


def test_many_batch_norms_without_a_finding_are_one_line_that_covers_their_range():
    rows = list(layer_table(fixtures.batch_norm(5)).rows)
    rows[1] = replace(rows[1], mean_gap=0.02, variance_ratio=3.5)
    rows[3] = replace(rows[3], marks=SICK)
    rows += [replace(rows[5], index=99)]
    folded = fold(rows)
    shown_norms = [row for row in folded if isinstance(row, LayerRow) and not row.weighted]
    assert shown_norms == [rows[3]]
    norms = folded[-1]
    assert isinstance(norms, Fold)
    assert len(norms.rows) == 5
    assert norms.text.startswith("... 5 batch norms, batch vs moving: mean gap 0.02 to 0.31")
    assert norms.text.endswith("to 3.5")
    assert sum(len(part.rows) if isinstance(part, Fold) else 1 for part in folded) == len(rows)


def test_a_few_batch_norms_keep_their_rows():
    rows = list(layer_table(fixtures.batch_norm(4)).rows)
    assert fold(rows) == rows


def stack(count, *, before=1):
    """A transformer of `count` blocks: four projections and two Dense layers in each."""
    kinds = ["EinsumDense"] * 4 + ["Dense", "Dense"]
    kinds = ["Dense"] * before + kinds * count
    phis = ["linear"] * 4 + ["gelu", "linear"]
    phis = ["linear"] * before + phis * count
    return [
        replace(
            row,
            kind=kind,
            activation=phi,
            gradient=1.0 + row.index % 6,
            signal_gain=NAN,
            gradient_gain=NAN,
        )
        for row, kind, phi in zip(rows(len(kinds)), kinds, phis, strict=True)
    ]


@pytest.mark.parametrize("before", [0, 1, 3])
def test_blocks_of_layers_alike_are_counted_as_blocks(before):
    deep = stack(12, before=before)
    folded = fold(deep)
    (middle,) = (row for row in folded if isinstance(row, Fold))
    assert middle.text.startswith("... 10 blocks of 6 layers like these: signal 1, gradient 1 to ")
    ends = {*range(before + 6), *range(len(deep) - 6, len(deep))}
    assert shown(folded) == ends
    assert [row for e in folded for row in (e.rows if isinstance(e, Fold) else [e])] == deep


@each_case(
    "change",
    [
        {"marks": SICK},
        {"figures": FIGURES | {"dead_fraction": 1.0}},
        {"gradient": 1e-3},
        {"signal": 50.0},
        {"figures": FIGURES | {"update_ratio": 1e-6}},
        {"note": "non-finite since step 7"},
    ],
)
@each_case("at", [31, 34])
def test_a_layer_that_departs_inside_a_block_stays(change, at):
    deep = stack(12)
    deep[at] = replace(deep[at], **change)
    assert at in shown(fold(deep))
