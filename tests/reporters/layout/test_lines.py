"""Long names: a path gives up its folders before its own name."""

import pytest
from rich.cells import cell_len

from gradscope.reporters.layout.lines import shortened
from tests.each_case import each_case
from tests.reporters.fixtures import NASTY


@pytest.mark.parametrize(
    ("name", "width", "short"),
    [
        ("hidden_1", 24, "hidden_1"),
        ("block2_attention/query", 24, "block2_attention/query"),
        ("encoder_block_2/attention/query", 24, "eb2/attention/query"),
        ("encoder_block_12/attention/query#2", 16, "eb12/a/query#2"),
        ("functional_1/res2net/conv2d_13", 20, "f1/res2net/conv2d_13"),
        ("a_name_of_one_piece_that_is_too_long", 24, "a_name_of_on…is_too_long"),
    ],
)
def test_a_path_keeps_what_tells_it_apart(name, width, short):
    assert shortened(name, width, True) == short


def test_blocks_of_a_stack_stay_distinct():
    names = [f"transformer_block_{i}/self_attention/query" for i in range(20)]
    assert len({shortened(name, 24, True) for name in names}) == 20


@each_case("unicode", [True, False])
@each_case("name", [*NASTY[:-1], "/".join(["層_1"] * 30), "a/" * 40])
def test_every_name_fits(name, unicode):
    assert cell_len(shortened(name, 16, unicode)) <= 16
