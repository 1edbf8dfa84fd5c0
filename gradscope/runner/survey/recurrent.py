"""Delta per time step of recurrent layers, without access to the tensors inside their loops.

While a layer's ``call`` is recorded, its input sequence [sample, time, feature] is extended by
zeros [sample, time, unit], and the ``call`` of its cell is replaced: it removes the zeros from its
input and adds them to the state h_t that it returns, which goes to the output and to the next step.
dL/d(zeros_t) is then the total derivative dL/dh_t, with everything that flows back through later
steps. The zeros are negative: h + -0.0 is h to the bit, for h = 0.0 and h = -0.0 too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from gradscope.record.layers import UnmeasuredReason
from gradscope.runner.runtime.attribute_patch import patched_attribute

if TYPE_CHECKING:
    from gradscope.runner.survey.calls import Call

_CELLS = (keras.layers.SimpleRNNCell, keras.layers.LSTMCell, keras.layers.GRUCell)


def time_steps(call: Call) -> tuple[int | None, UnmeasuredReason | None]:
    """Number of time steps of a recurrent layer, and why delta per time step is not measured.

    ``(None, None)`` for a layer that is not recurrent. Measured are Keras's own SimpleRNN, LSTM and
    GRU cells, under ``RNN`` too: the first state of another cell need not be its output.
    """
    layer = call.layer
    if not isinstance(layer, keras.layers.RNN):
        return None, None
    reason = reason_not_measured(layer)
    if reason:
        return None, reason
    sequence = call.inputs[0].shape
    if sequence.rank != 3 or not sequence.is_fully_defined():
        return None, UnmeasuredReason.UNKNOWN_SEQUENCE_SHAPE
    return int(sequence[1]), None


def reason_not_measured(layer: Any) -> UnmeasuredReason | None:
    """Why delta per time step of a recurrent layer cannot be measured; None when it can."""
    cell = layer.cell
    if type(cell) in _CELLS:
        fused = getattr(layer, "use_cudnn", False) and tf.config.list_logical_devices("GPU")
        return UnmeasuredReason.CUDNN_LOOP if fused else None
    if isinstance(cell, keras.layers.StackedRNNCells):
        return UnmeasuredReason.STACKED_CELLS
    return UnmeasuredReason.OTHER_CELL


def with_watched_zeros(
    layer: Any, original: Callable[..., Any], call: Call, watch: Callable[[Any], None] | None
) -> Callable[..., Any]:
    """Wrap the ``call`` of a recurrent layer: add watched zeros to the state of each time step.

    The zeros [sample, time, unit] are stored in ``call.zeros``.
    """

    def run(sequences: Any, *args: Any, **kwargs: Any) -> Any:
        samples, steps, features = sequences.shape
        zeros = tf.fill([samples, steps, layer.cell.units], tf.constant(-0.0, sequences.dtype))
        if watch:
            watch(zeros)
        call.zeros = zeros
        with _cell_that_adds_zeros(layer, int(features)):
            return original(tf.concat([sequences, zeros], -1), *args, **kwargs)

    return run


@contextlib.contextmanager
def _cell_that_adds_zeros(layer: Any, features: int) -> Iterator[None]:
    cell = layer.cell
    original, dropout_mask = cell.call, cell.get_dropout_mask

    def call(inputs: Any, states: Any, *args: Any, **kwargs: Any) -> Any:
        nested = isinstance(states, (list, tuple))
        _, new = original(inputs[:, :features], states, *args, **kwargs)
        h, *others = new if isinstance(new, (list, tuple)) else [new]
        h = h + inputs[:, features:]
        return h, [h, *others] if nested else h

    def get_dropout_mask(inputs: Any) -> Any:
        return dropout_mask(inputs[:, :features])

    with contextlib.ExitStack() as stack:
        stack.enter_context(patched_attribute(cell, "call", call))
        stack.enter_context(patched_attribute(cell, "get_dropout_mask", get_dropout_mask))
        # Without a GPU Keras tries the fused loop first, which fails on the extended input.
        stack.enter_context(patched_attribute(layer, "use_cudnn", False))
        yield


def delta_second_moments(zeros_gradient: Any, mask: Any, scale: Any) -> Any:
    """E (dL/dh_t)^2 over samples and units at each time step: float64 [time].

    `scale` makes L the mean loss times the batch size. Steps that `mask` [sample, time] excludes do
    not count; NaN where it excludes every sample.
    """
    squares = tf.square(tf.cast(zeros_gradient, tf.float64) * scale)
    per_sample = tf.reduce_mean(squares, -1)
    if mask is None:
        return tf.reduce_mean(per_sample, 0)
    counted = tf.cast(mask, tf.float64)
    return tf.reduce_sum(per_sample * counted, 0) / tf.reduce_sum(counted, 0)
