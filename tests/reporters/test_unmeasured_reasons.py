"""Each reason why something has no figures has its sentence."""

from gradscope.record import UnmeasuredReason
from gradscope.reporters.unmeasured_reasons import SENTENCES, reason_sentence
from tests.layers import layer_row


def test_every_reason_has_a_sentence():
    assert set(SENTENCES) == set(UnmeasuredReason)
    row = layer_row(3, "act", "ReLU", "structure", activation="square", activation_of="conv")
    for reason in UnmeasuredReason:
        sentence = reason_sentence(row, reason)
        assert len(sentence) > 10
        assert "{" not in sentence


def test_a_reason_names_what_it_is_about():
    row = layer_row(
        3,
        "act",
        "ReLU",
        "structure",
        measured=False,
        reason=UnmeasuredReason.ACTIVATION_OF_LAYER,
        activation_of="conv\x1b[31m",
    )
    assert reason_sentence(row) == "measured as the activation of conv\\x1b[31m"
    assert reason_sentence(row, owner="the layer before").endswith("activation of the layer before")
    square = layer_row(0, "c", "Dense", "hidden", activation="square")
    sentence = reason_sentence(square, UnmeasuredReason.UNKNOWN_DERIVATIVE)
    assert sentence == "the derivative of square is not in the catalog"


def test_a_layer_without_a_reason_says_so():
    assert reason_sentence(layer_row(0, "c", "Dense", "hidden")) == "no reason given"
