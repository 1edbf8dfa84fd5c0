"""Models that cannot be measured, refused before anything is traced."""

from __future__ import annotations

from typing import Any

from gradscope.errors import BadRequest


def refuse_float8(model: Any) -> None:
    """Raise `BadRequest` for a model with layers in float8.

    Keras gives the scales of their casts through the gradients of their variables, which are no
    gradients of the loss.
    """
    for layer in model._flatten_layers():
        if "float8" in str(getattr(getattr(layer, "dtype_policy", None), "name", "")):
            raise BadRequest(
                f"model: {layer.name} is quantized to float8, which cannot be measured: the "
                "gradients of its scales are not those of the loss",
                "measure the model before model.quantize('float8')",
            )
