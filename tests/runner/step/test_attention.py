"""Attention and normalizations: every statistic against the complex step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope.record import UnmeasuredReason
from tests.oracle import layer_maths as maths
from tests.oracle.complex_step import softmax
from tests.runner.measuring import Case, compare, head, inputs, sequential

pytestmark = pytest.mark.tensorflow
PLACES, WIDTH = 3, 4


def projected(t: Any, w: Any, name: str, x: Any, equation: str, units: tuple[int, ...]) -> Any:
    """One of attention's einsum layers; its bias has the axes of its units."""
    z = np.einsum(equation, x, w[f"att/{name}/kernel"]) + w[f"att/{name}/bias"]
    return t.layer(
        name,
        z,
        "linear",
        kernels=[f"att/{name}/kernel"],
        bias=f"att/{name}/bias",
        units=units,
    )


def multi_head(t: Any, w: Any, x: Any, memory: Any, *, causal: bool = False) -> Any:
    inward, heads = "bte,ehd->bthd", (-2, -1)
    q = projected(t, w, "query", x, inward, heads)
    k = projected(t, w, "key", memory, inward, heads)
    v = projected(t, w, "value", memory, inward, heads)
    given = maths.attention(q, k, v, causal=causal)
    return projected(t, w, "attention_output", given, "bthd,hde->bte", (-1,))


def self_attention(t: Any, w: Any, x: Any) -> Any:
    return head(t, w, multi_head(t, w, x, x))


def causal_residual(t: Any, w: Any, x: Any) -> Any:
    given = multi_head(t, w, x, x, causal=True)
    h = t.layer("sum", given + x)
    h = t.layer("norm", maths.normalized(h, (-1,), 1e-3) * w["norm/gamma"] + w["norm/beta"])
    return head(t, w, h)


def explicit_scores(t: Any, w: Any, x: Any) -> Any:
    """With attention dropout (rate 0 in effect) the softmax is a layer of its own."""
    inward, heads = "bte,ehd->bthd", (-2, -1)
    q = projected(t, w, "query", x, inward, heads)
    k = projected(t, w, "key", x, inward, heads)
    v = projected(t, w, "value", x, inward, heads)
    scores = np.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(q.shape[-1])
    shares = t.layer("softmax", scores, softmax)
    given = np.einsum("bhqk,bkhd->bqhd", shares, v)
    out = projected(t, w, "attention_output", given, "bthd,hde->bte", (-1,))
    pooled = t.layer("mean", shares.mean((1, 2)))
    return head(t, w, np.concatenate([out.reshape(len(out), -1), pooled], -1))


def grouped_query(t: Any, w: Any, x: Any) -> Any:
    inward, heads = "bte,ehd->bthd", (-2, -1)
    q = projected(t, w, "query", x, inward, heads)
    k = projected(t, w, "key", x, inward, heads)
    v = projected(t, w, "value", x, inward, heads)
    # Heads of a group share one key and value.
    k, v = (np.repeat(part, q.shape[2] // part.shape[2], 2) for part in (k, v))
    out = projected(t, w, "attention_output", maths.attention(q, k, v), "bthd,hde->bte", (-1,))
    return head(t, w, out)


def _model(body: Callable[[Any, Any], Any]) -> Callable[[], Any]:
    def build() -> Any:
        import keras

        given = keras.Input((PLACES, WIDTH))
        h = keras.layers.Flatten(name="flat")(body(keras.layers, given))
        return keras.Model(given, keras.layers.Dense(2, name="head")(h))

    return build


def _residual(layers: Any, x: Any) -> Any:
    attended = layers.MultiHeadAttention(2, 2, name="att")(x, x, use_causal_mask=True)
    return layers.LayerNormalization(name="norm")(layers.Add(name="sum")([attended, x]))


def _scores() -> Any:
    import keras

    given = keras.Input((PLACES, WIDTH))
    attention = keras.layers.MultiHeadAttention(2, 2, name="att")
    h, shares = attention(given, given, return_attention_scores=True)
    h = keras.layers.Flatten(name="flat")(h)
    pooled = keras.layers.Lambda(lambda s: keras.ops.mean(s, (1, 2)), name="mean")(shares)
    joined = keras.ops.concatenate([h, pooled], -1)
    return keras.Model(given, keras.layers.Dense(2, name="head")(joined))


UNUSED = ("softmax", "dropout")
CASES = {
    "self": Case(
        _model(lambda layers, x: layers.MultiHeadAttention(2, 2, name="att")(x, x)),
        self_attention,
        inputs(PLACES, WIDTH),
        silent=("flat", *UNUSED),
    ),
    "causal, residual, layer norm": Case(
        _model(_residual),
        causal_residual,
        inputs(PLACES, WIDTH),
        silent=("flat", *UNUSED),
        cancelling=("query",),  # the first place sees one key only, whatever its query
    ),
    "scores returned": Case(
        _scores, explicit_scores, inputs(PLACES, WIDTH), silent=("flat", "dropout")
    ),
    "grouped query": Case(
        _model(lambda layers, x: layers.GroupQueryAttention(2, 4, 2, name="att")(x, x)),
        grouped_query,
        inputs(PLACES, WIDTH),
        silent=("flat", *UNUSED),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_statistic_of_attention_is_the_oracle_s(case: str, runner_settings: Any) -> None:
    import keras

    keras.backend.clear_session()  # inner layers are numbered over the whole session
    measured, _ = compare(CASES[case])
    assert {"query", "key", "value", "attention_output"} <= {i.name for i in measured.layers}
    assert measured.layer("query").units == measured.layer("query").fan_out


def _normalized(name: str, axes: tuple[int, ...], *, centred: bool = True) -> Any:
    def network(t: Any, w: Any, x: Any) -> Any:
        h = t.weighted("dense", x @ w["dense/kernel"] + w["dense/bias"])
        n = maths.normalized(h, axes, 1e-3 if centred else 1e-6, centred=centred)
        n = n * w.get(f"{name}/gamma", w.get(f"{name}/scale", 1.0)) + w.get(f"{name}/beta", 0.0)
        return head(t, w, t.layer(name, n))

    return network


def _group(t: Any, w: Any, x: Any) -> Any:
    h = t.weighted("dense", x @ w["dense/kernel"] + w["dense/bias"])
    groups = h.reshape(*h.shape[:2], 2, 2)
    n = maths.normalized(groups, (1, 3), 1e-3).reshape(h.shape)
    return head(t, w, t.layer("norm", n * w["norm/gamma"] + w["norm/beta"]))


NORMS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "LayerNormalization": (
        lambda layers: layers.LayerNormalization(name="norm"),
        _normalized("norm", (-1,)),
    ),
    "over two axes": (
        lambda layers: layers.LayerNormalization(axis=(1, 2), name="norm"),
        _normalized("norm", (1, 2)),
    ),
    "RMSNormalization": (
        lambda layers: layers.RMSNormalization(name="norm"),
        _normalized("norm", (-1,), centred=False),
    ),
    "GroupNormalization": (lambda layers: layers.GroupNormalization(2, name="norm"), _group),
}


@pytest.mark.parametrize("norm", NORMS)
def test_every_statistic_of_a_norm_is_the_oracle_s(norm: str, runner_settings: Any) -> None:
    layer, network = NORMS[norm]
    shape = (PLACES, WIDTH)
    dense = lambda layers: layers.Dense(4, name="dense")  # noqa: E731
    case = Case(sequential(dense, layer, shape=shape), network, inputs(*shape), silent=("flat",))
    measured, _ = compare(case)
    assert measured.layer("dense").normalization == "after_activation"
    assert measured.layer("norm").role == "normalization"


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_norm_before_the_activation_gives_z(axis: int, runner_settings: Any) -> None:
    """Its own row holds it against the moving statistics; on whichever axis its features are."""
    shape = (PLACES, WIDTH)

    def network(t: Any, w: Any, x: Any) -> Any:
        h = x @ w["dense/kernel"] + w["dense/bias"]
        others = (0, 1) if axis == -1 else (0, 2)
        gamma, beta = w["norm/gamma"], w["norm/beta"]
        if axis == 1:
            gamma, beta = gamma[:, None], beta[:, None]
        z = maths.normalized(h, others, 1e-3) * gamma + beta
        weights = {"kernels": ("dense/kernel",), "bias": "dense/bias"}
        return head(t, w, t.layer("dense", z, "tanh", **weights))

    build = sequential(
        lambda layers: layers.Dense(4, name="dense"),
        lambda layers: layers.BatchNormalization(axis=axis, name="norm"),
        lambda layers: layers.Activation("tanh", name="act"),
        shape=shape,
    )
    case = Case(build, network, inputs(*shape), silent=("act", "flat"))
    measured, _ = compare(case)
    assert measured.layer("dense").normalization == "before_activation"
    assert measured.layer("dense").activation == "tanh"

    from tests.runner.measuring import stirred

    model = stirred(build())
    w = {v.path: np.asarray(v.numpy(), np.float64) for v in model.weights}
    h = case.x.astype(np.float64) @ w["dense/kernel"] + w["dense/bias"]
    others = (0, 1) if axis == -1 else (0, 2)
    mean, variance = h.mean(others), h.var(others)
    moving = w["norm/moving_variance"] + 1e-3
    gap = np.sqrt(np.mean((mean - w["norm/moving_mean"]) ** 2 / moving))
    ratio = np.exp(np.mean(np.log((variance + 1e-3) / moving)))
    found = measured.figures["norm"]
    assert found["batch_norm_mean_gap"] == pytest.approx(gap, rel=1e-5)
    assert found["batch_norm_variance_ratio"] == pytest.approx(ratio, rel=1e-5)
    assert np.isnan(found["delta_second_moment"])
    why = measured.layer("norm").unmeasured["delta_second_moment"]
    assert why is UnmeasuredReason.BATCH_NORM
