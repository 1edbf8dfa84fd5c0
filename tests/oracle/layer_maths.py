"""Keras's layers written from their definitions in numpy, for arrays that may be complex.

Channels come last; kernels have Keras's axes. Loops run over the kernel's places, so that what a
stride, a dilation or a padding means can be read off.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.oracle.complex_step import Array, sigmoid, softmax


def padded(x: Array, window: Sequence[int], strides: Sequence[int], padding: str) -> Array:
    """Zeros around the places, as ``same`` wants them: what is odd goes to the end."""
    if padding == "valid":
        return x
    pads = [(0, 0)]
    for size, width, stride in zip(x.shape[1:-1], window, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + width - size, 0)
        if padding == "causal":
            pads.append((width - 1, 0))
        else:
            pads.append((total // 2, total - total // 2))
    return np.pad(x, [*pads, (0, 0)])


def convolution(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str = "valid",
    groups: int = 1,
) -> Array:
    """x [sample, places..., channel] with kernel [places..., channel / groups, filter]."""
    places = kernel.shape[:-2]
    reach = [(size - 1) * rate + 1 for size, rate in zip(places, dilation, strict=True)]
    x = padded(x, reach, strides, padding)
    counts = [
        (size - width) // stride + 1
        for size, width, stride in zip(x.shape[1:-1], reach, strides, strict=True)
    ]
    filters, width = kernel.shape[-1], kernel.shape[-2]
    out = np.zeros((len(x), *counts, filters), np.result_type(x, kernel))
    share = filters // groups
    for at in np.ndindex(*places):
        windows = tuple(
            slice(i * rate, i * rate + (count - 1) * stride + 1, stride)
            for i, rate, count, stride in zip(at, dilation, counts, strides, strict=True)
        )
        seen = x[(slice(None), *windows)]
        for group in range(groups):
            inputs = seen[..., group * width : (group + 1) * width]
            made = slice(group * share, (group + 1) * share)
            out[..., made] += inputs @ kernel[at][:, made]
    return out


def depthwise(
    x: Array, kernel: Array, strides: Sequence[int], dilation: Sequence[int], padding: str
) -> Array:
    """kernel [places..., channel, multiplier]: every channel by itself."""
    channels, multiplier = kernel.shape[-2:]
    parts = [
        convolution(
            x[..., [c]],
            kernel[..., [c], :].reshape(*kernel.shape[:-2], 1, multiplier),
            strides,
            dilation,
            padding,
        )
        for c in range(channels)
    ]
    return np.concatenate(parts, -1)


def transposed(x: Array, kernel: Array, strides: Sequence[int]) -> Array:
    """``valid`` transposed convolution: an input paints kernel [places..., filter, channel].

    An output has (n - 1) stride + size places, and stride - size more where the stride is longer.
    """
    places = kernel.shape[:-2]
    sizes = [
        (n - 1) * stride + max(size, stride)
        for n, stride, size in zip(x.shape[1:-1], strides, places, strict=True)
    ]
    out = np.zeros((len(x), *sizes, kernel.shape[-2]), np.result_type(x, kernel))
    for at in itertools.product(*(range(n) for n in x.shape[1:-1])):
        for place in np.ndindex(*places):
            where = tuple(i * s + p for i, s, p in zip(at, strides, place, strict=True))
            out[(slice(None), *where)] += x[(slice(None), *at)] @ kernel[place].T
    return out


def normalized(x: Array, axes: Sequence[int], epsilon: float, *, centred: bool = True) -> Array:
    """(x - mean) / sqrt(variance + epsilon) over `axes`; x / sqrt(mean square + epsilon) if not
    centred."""
    axes = tuple(axes)
    centre = x.mean(axes, keepdims=True) if centred else 0
    square = ((x - centre) ** 2).mean(axes, keepdims=True)
    return (x - centre) / np.sqrt(square + epsilon)


def simple_rnn_step(w: dict[str, Array], x: Array, state: list[Array]) -> list[Array]:
    """h = tanh(x K + h U + b)."""
    return [np.tanh(x @ w["kernel"] + state[0] @ w["recurrent_kernel"] + w["bias"])]


def lstm_step(w: dict[str, Array], x: Array, state: list[Array]) -> list[Array]:
    """Hochreiter and Schmidhuber with a forget gate; gates in the order i, f, c, o."""
    h, c = state
    i, f, g, o = np.split(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"], 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


def gru_step(w: dict[str, Array], x: Array, state: list[Array]) -> list[Array]:
    """Cho et al. with the reset gate after the matrix (Keras's default); gates z, r, h."""
    h = state[0]
    xz, xr, xh = np.split(x @ w["kernel"] + w["bias"][0], 3, -1)
    hz, hr, hh = np.split(h @ w["recurrent_kernel"] + w["bias"][1], 3, -1)
    update = sigmoid(xz + hz)
    candidate = np.tanh(xh + sigmoid(xr + hr) * hh)
    return [update * h + (1 - update) * candidate]


STEPS = {"simple_rnn": (simple_rnn_step, 1), "lstm": (lstm_step, 2), "gru": (gru_step, 1)}


def unrolled(
    cell: str,
    w: dict[str, Array],
    x: Array,
    *,
    offsets: Array | None = None,
    mask: Any = None,
    backwards: bool = False,
) -> Array:
    """All states h [sample, time, unit] in the order of the loop.

    `offsets` [sample, time, unit] are added to h_t as soon as it is made, t counting the input's
    steps; a step that `mask` [sample, time] leaves out keeps the state and gives it again.
    """
    step, states = STEPS[cell]
    units = w["recurrent_kernel"].shape[0]
    kind = np.result_type(x, *w.values(), 0.0 if offsets is None else offsets)
    state = [np.zeros((len(x), units), kind) for _ in range(states)]
    given = []
    times = range(x.shape[1])
    for t in reversed(times) if backwards else times:
        new = step(w, x[:, t], state)
        if offsets is not None:
            new[0] = new[0] + offsets[:, t]
        if mask is not None:
            new = [np.where(mask[:, t, None], n, s) for n, s in zip(new, state, strict=True)]
        state = new
        given.append(state[0])
    return np.stack(given, 1)


def attention(q: Array, k: Array, v: Array, *, causal: bool = False) -> Array:
    """softmax(q k' / sqrt(d)) v per head: q [sample, place, head, unit]."""
    scores = np.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(q.shape[-1])
    if causal:
        seen = np.tril(np.ones(scores.shape[-2:], bool))
        scores = np.where(seen, scores, -1e30)
    return np.einsum("bhqk,bkhd->bqhd", softmax(scores), v)


def windows(x: Array, size: int) -> Array:
    """Images cut into squares: [sample, row, column, place in the square, channel]."""
    b, h, w, c = x.shape
    cut = x[:, : h // size * size, : w // size * size]
    cut = cut.reshape(b, h // size, size, w // size, size, c).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(b, h // size, w // size, size * size, c)


def max_pool(x: Array, size: int) -> Array:
    """The largest real part of each square, without overlap."""
    cut = windows(x, size)
    at = cut.real.argmax(3)
    return np.take_along_axis(cut, at[:, :, :, None], 3)[:, :, :, 0]
