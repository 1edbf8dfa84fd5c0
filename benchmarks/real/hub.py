"""Small backbones of keras-hub, with new weights: each function gives (model, x, y), compiled.

They need the extra ``bench``; `INSTALLED` says whether keras-hub is there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.real.layered import Case, compiled, images, tokens

INSTALLED = find_spec("keras_hub") is not None

_SIZE = {"num_layers": 2, "hidden_dim": 32, "intermediate_dim": 64, "vocabulary_size": 20}
_HEADS = {"num_query_heads": 4, "num_key_value_heads": 2}


def _backbone(name: str, **options: Any) -> Any:
    models: Any = import_module("keras_hub").models
    return getattr(models, name)(**options)


def _masked(x: Any) -> dict[str, Any]:
    return {"token_ids": x, "padding_mask": np.ones_like(x)}


def _classifier(backbone: Any, output: str | None = None) -> Any:
    """A head on the first token, or on the output of this name."""
    import keras

    features = backbone.output if output is None else backbone.output[output]
    first = features[:, 0] if len(features.shape) == 3 else features
    return keras.Model(backbone.input, keras.layers.Dense(2, activation="softmax")(first))


def bert() -> tuple[Any, Any, Any]:
    """BERT, post-norm, with a classifier on its pooled output."""
    x, y = tokens()
    backbone = _backbone("BertBackbone", **_SIZE, num_heads=2, max_sequence_length=12)
    inputs = {**_masked(x), "segment_ids": np.zeros_like(x)}
    return compiled(_classifier(backbone, "pooled_output")), inputs, y


def fnet() -> tuple[Any, Any, Any]:
    """FNet: Fourier transforms in place of attention."""
    x, y = tokens()
    backbone = _backbone("FNetBackbone", **_SIZE, max_sequence_length=12)
    inputs = {"token_ids": x, "segment_ids": np.zeros_like(x)}
    return compiled(_classifier(backbone, "pooled_output")), inputs, y


def _next_token(backbone: Any) -> tuple[Any, Any, Any]:
    import keras

    x, _ = tokens(13)
    x = np.sort(x, axis=1)
    logits = backbone.token_embedding(backbone.output, reverse=True)
    model = keras.Model(backbone.input, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return compiled(model, loss), _masked(x[:, :-1]), x[:, 1:]


def gpt2() -> tuple[Any, Any, Any]:
    """GPT-2, pre-norm, which predicts the next token by its own embedding."""
    return _next_token(_backbone("GPT2Backbone", **_SIZE, num_heads=2, max_sequence_length=12))


def llama() -> tuple[Any, Any, Any]:
    """Llama: RMS norms, rotary embedding, gated feed-forward, grouped queries."""
    return _next_token(_backbone("LlamaBackbone", **_SIZE, **_HEADS))


def mixtral() -> tuple[Any, Any, Any]:
    """Mixtral: the same with experts, of which a router chooses two for each token."""
    return _next_token(_backbone("MixtralBackbone", **_SIZE, **_HEADS, num_experts=4, top_k=2))


def t5() -> tuple[Any, Any, Any]:
    """T5: an encoder and a decoder without biases, relative positions."""
    import keras

    x, _ = tokens(12)
    backbone = _backbone(
        "T5Backbone",
        **_SIZE,
        num_heads=2,
        key_value_dim=16,
        use_gated_activation=True,
        activation="gelu",
    )
    encoded = {f"encoder_{name}": value for name, value in _masked(x).items()}
    decoded = {f"decoder_{name}": value for name, value in _masked(x).items()}
    logits = keras.layers.Dense(20)(backbone.output["decoder_sequence_output"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = keras.Model(backbone.input, logits)
    return compiled(model, loss), encoded | decoded, np.sort(x, axis=1)


def hub_vit() -> tuple[Any, Any, Any]:
    """The vision transformer of keras-hub."""
    import keras

    x, y = images()
    backbone = _backbone(
        "ViTBackbone",
        image_shape=(16, 16, 3),
        patch_size=4,
        num_layers=2,
        num_heads=2,
        hidden_dim=32,
        mlp_dim=64,
    )
    outputs = keras.layers.Dense(4, activation="softmax")(backbone.output[:, 0])
    return compiled(keras.Model(backbone.input, outputs)), x, y


def hub_resnet() -> tuple[Any, Any, Any]:
    """The residual network of keras-hub, activations before the convolutions."""
    import keras

    x, y = images(32)
    backbone = _backbone(
        "ResNetBackbone",
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[2, 2],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        use_pre_activation=True,
        image_shape=(32, 32, 3),
    )
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    outputs = keras.layers.Dense(4, activation="softmax")(pooled)
    return compiled(keras.Model(backbone.input, outputs)), x, y


_ALL: tuple[Callable[[], tuple[Any, Any, Any]], ...] = (
    bert,
    fnet,
    gpt2,
    llama,
    mixtral,
    t5,
    hub_vit,
    hub_resnet,
)
CASES: dict[str, Case] = {case.__name__: case for case in _ALL}
