"""What would be measured where: every layer, every number and every reason, at any width."""

import json
import re

import pytest
from rich.cells import cell_len

from gradscope.record import LayerInfo, UnmeasuredReason
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.survey import SURVEY_FORMS
from gradscope.reporters.survey.text import LEGEND
from tests.layers import layer_row
from tests.reporters.fixtures import NASTY

REASON = "its output is not a floating-point tensor"
LAYERS = (
    layer_row(
        0,
        "flatten",
        "Flatten",
        "structure",
        measured=False,
        reason=UnmeasuredReason.UNCHANGED_VALUES,
    ),
    layer_row(1, "conv", "Conv2D", "hidden", 16, 9, 144, "relu", parameters=1_234_567),
    layer_row(
        2,
        "relu",
        "ReLU",
        "structure",
        activation="relu",
        measured=False,
        reason=UnmeasuredReason.ACTIVATION_OF_LAYER,
        activation_of="conv",
    ),
    layer_row(3, "block/attention/query", "EinsumDense", "hidden", 32, 32, 32, "linear"),
    layer_row(4, "sum", "Add", "structure", 32),
    layer_row(
        5,
        "places",
        "ArgMax",
        "structure",
        measured=False,
        reason=UnmeasuredReason.NOT_FLOATING_POINT,
    ),
    layer_row(6, "classes", "Dense", "output", 10, 32, 10, "softmax", parameters=330),
)


def lines(width, layers=LAYERS, **options):
    return SURVEY_FORMS["text"]("mine", layers, ReportOptions(width=width, **options)).splitlines()


def test_a_wide_table_shows_everything():
    text = lines(100)
    assert text[0] == "mine: 7 layers"
    assert text[1].startswith("4 measured (3 of them hidden or output layers), 3 not;")
    assert text[2].split() == ["#", "layer", "kind", "phi", "shape", "parameters"]
    assert text[4].split() == ["1", "conv", "Conv2D", "relu", "9", "->", "144", "1,234,567"]
    assert text[5].split(maxsplit=3)[3] == "measured as the activation of conv"
    assert text[6].split()[1:3] == ["block/attention/query", "EinsumDense"]
    assert text[8].split(maxsplit=3)[3] == f"not measured: {REASON}"
    assert " ".join(text[10:]) == LEGEND


@pytest.mark.parametrize("width", [120, 80, 60, 59, 40])
def test_it_fits_and_no_reason_or_shape_is_cut(width):
    text = lines(width)
    assert max(map(cell_len, text)) <= width
    words = re.sub(r"\s+", " ", "\n".join(text))
    assert f"not measured: {REASON}" in words
    assert "9 -> 144" in words
    assert all(f"{row.index} {row.name}" in words for row in LAYERS)


def test_it_is_ascii_where_it_must_be_and_coloured_where_it_may_be():
    assert "\n".join(lines(80, unicode=False)).isascii()
    assert "\x1b[" in "\n".join(lines(80, color=True))
    assert "\x1b" not in "\n".join(lines(80))


def test_foreign_names_are_shown_and_not_obeyed():
    layers = [
        layer_row(
            i,
            name,
            name,
            "structure",
            measured=False,
            activation_of=name,
            reason=UnmeasuredReason.ACTIVATION_OF_LAYER,
        )
        for i, name in enumerate(NASTY)
    ]
    text = "\n".join(lines(80, layers))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b]", text)


def test_json_is_what_result_json_says_of_layers():
    read = json.loads(SURVEY_FORMS["json"]("mine", LAYERS, ReportOptions()))
    assert read["name"] == "mine"
    assert [LayerInfo.from_json(tree) for tree in read["layers"]] == list(LAYERS)


def test_what_measured_layers_lack_is_told_by_reason():
    lacking = dict.fromkeys(
        ("derivative_gain", "dead_fraction"), UnmeasuredReason.ACTIVATION_IN_LOOP
    )
    layers = [
        layer_row(0, "lstm", "LSTM", "hidden", unmeasured=lacking),
        layer_row(1, "gru", "GRU", "hidden", unmeasured=lacking),
        layer_row(2, "head", "Dense", "output"),
    ]
    text = SURVEY_FORMS["text"]("net", layers, ReportOptions(width=100))
    line = "lstm, gru: not measured: derivative_gain, dead_fraction "
    reason = "(its activations act inside its loop, out of reach)"
    assert line + reason in " ".join(text.split())
