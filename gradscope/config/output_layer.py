"""The output layer that fits the labels."""

from __future__ import annotations

from gradscope.config.experiment import ActivationSpec, ExperimentConfig


def resolve_output_layer(
    config: ExperimentConfig, task: str, classes: int | None, width: int
) -> tuple[int, ActivationSpec]:
    """Give the output layer's units and activation; labels decide where the config says `auto`.

    More than two classes: softmax; two: one sigmoid unit, unless units or activation set a
    softmax over two; real values: linear, one unit per target.
    """
    output = config.model.output
    set_activation = output.activation if output.activation != "auto" else None
    softmax_over_two = output.units == 2 or (
        set_activation is not None and set_activation.name == "softmax"
    )
    if task == "regression":
        units, name = width, "linear"
    elif classes == 2 and not softmax_over_two:
        units, name = 1, "sigmoid"
    else:
        units, name = int(classes or 0), "softmax"
    if output.units != "auto":
        units = int(output.units)
    return units, set_activation or ActivationSpec(name=name, parameters={})
