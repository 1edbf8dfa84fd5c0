"""The sentence for each reason why a layer or a statistic has no figures."""

from __future__ import annotations

from gradscope.record import LayerInfo, UnmeasuredReason
from gradscope.reporters.layout.sanitizing import printable

SENTENCES = {
    UnmeasuredReason.NO_GRADIENT: "the loss does not depend on its output: no gradient comes back",
    UnmeasuredReason.ACTIVATION_OF_LAYER: "measured as the activation of {owner}",
    UnmeasuredReason.UNCHANGED_VALUES: "computes nothing: the values pass unchanged",
    UnmeasuredReason.MOVED_VALUES: "computes nothing: copies, pads or removes values",
    UnmeasuredReason.RANDOM_VALUES: "passes its input on, changed at random",
    UnmeasuredReason.NOT_CALLED: "not called in the forward pass",
    UnmeasuredReason.MODEL_WEIGHTS: (
        "weights of the model itself: no layer's output shows their effect"
    ),
    UnmeasuredReason.NOT_FLOATING_POINT: "its output is not a floating-point tensor",
    UnmeasuredReason.UNKNOWN_SHAPE: "its output has no fixed shape",
    UnmeasuredReason.FROZEN: "frozen: not trained",
    UnmeasuredReason.SEVERAL_BIASES: "it holds several biases",
    UnmeasuredReason.BATCH_NORM: "a batch norm is compared with its moving statistics only",
    UnmeasuredReason.ACTIVATION_IN_LOOP: "its activations act inside its loop, out of reach",
    UnmeasuredReason.UNKNOWN_DERIVATIVE: "the derivative of {activation} is not in the catalog",
    UnmeasuredReason.NOT_ELEMENTWISE: "{activation} does not act on each value alone",
    UnmeasuredReason.CUDNN_LOOP: (
        "cuDNN computes its loop in one piece (use_cudnn=False gives access to it)"
    ),
    UnmeasuredReason.STACKED_CELLS: (
        "its cells are stacked: one state per time step is not all that flows"
    ),
    UnmeasuredReason.OTHER_CELL: "its cell is not one of SimpleRNNCell, LSTMCell and GRUCell",
    UnmeasuredReason.UNKNOWN_SEQUENCE_SHAPE: (
        "its input has no fixed shape [sample, time, feature]"
    ),
    UnmeasuredReason.OWN_TRAIN_STEP: (
        "not followed through time in a training step that the user wrote"
    ),
}


def reason_sentence(
    layer: LayerInfo, reason: UnmeasuredReason | None = None, *, owner: str = ""
) -> str:
    """Say why `layer`, or the statistic with that `reason`, is not measured.

    Give `owner` to say of several activations at once with which layers they are measured.
    """
    reason = reason or layer.reason
    if reason is None:
        return "no reason given"
    return SENTENCES[reason].format(
        owner=owner or printable(layer.activation_of or "another layer"),
        activation=printable(layer.activation or "its activation"),
    )
