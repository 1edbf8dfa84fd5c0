"""From the values of a config to the resolved experiment: every layer listed."""

from __future__ import annotations

from typing import Any

from gradscope.config.experiment import (
    ActivationSpec,
    Automatic,
    BatchNormSpec,
    DataSpec,
    DetectorsSpec,
    ExpectSpec,
    ExperimentConfig,
    HiddenLayer,
    IgnoredVerdict,
    InitializerSpec,
    ModelSource,
    ModelSpec,
    OptimizerSpec,
    OutputSpec,
    Placement,
    TrainingSpec,
)
from gradscope.config.sections.data import USER_DATA
from gradscope.config.sections.model import DEFAULT_WIDTH
from gradscope.config.sections.training import DEFAULT_STEPS, OPTIMIZER

Values = dict[str, Any]


def resolve(values: Values, name: str, folder: str | None = None) -> ExperimentConfig:
    """Build the experiment from a config that was read without a problem.

    `folder` is where it was written: factories are looked for there too.
    """
    return ExperimentConfig(
        name=values["name"] or name,
        model=_model(values["model"], folder),
        data=_data(values["data"], folder),
        training=_training(values["training"], user_model=_is_user_model(values["model"])),
        seed=values["seed"],
        device=values["device"],
        threads=values["threads"],
        detectors=_detectors(values["detectors"]),
        expect=ExpectSpec(**values["expect"]),
    )


def _data(data: Values, folder: str | None) -> DataSpec:
    if data["name"] == USER_DATA:
        return DataSpec(**{**data, "parameters": {**data["parameters"], "folder": folder}})
    return DataSpec(**data)


def _is_user_model(model: Values) -> bool:
    return model["factory"] is not None or model["keras_file"] is not None


def _source(model: Values, folder: str | None) -> ModelSource | None:
    if not _is_user_model(model):
        return None
    factory, arguments = model["factory"], model["arguments"] or {}
    return ModelSource(factory, arguments, model["keras_file"], folder if factory else None)


def _model(model: Values, folder: str | None) -> ModelSpec:
    source = _source(model, folder)
    output = model["output"]
    activation = output["activation"]
    return ModelSpec(
        hidden_layers=() if source else _hidden_layers(model),
        batch_norm=BatchNormSpec(**model["batch_norm"]),
        output=OutputSpec(
            units=output["units"],
            activation="auto" if activation == "auto" else ActivationSpec(*activation),
            initializer=InitializerSpec(*output["initializer"]),
        ),
        source=source,
    )


def _hidden_layers(model: Values) -> tuple[HiddenLayer, ...]:
    width = model["width"] or DEFAULT_WIDTH
    if model["layers"] is not None:
        layers = list(model["layers"])
    elif model["hidden"] is not None:
        layers = [{"units": units} for units in model["hidden"]]
    else:
        layers = [{}] * model["depth"]
    return tuple(
        _hidden_layer(_merged(layer, model), layer.get("units") or width, placement)
        for layer, placement in zip(layers, _placements(layers, model["batch_norm"]), strict=True)
    )


def _merged(layer: Values, model: Values) -> Values:
    """Give the settings of a layer, with those of the model for the keys it does not have."""
    keys = ("activation", "initializer", "bias_initializer", "dropout", "use_bias")
    return {key: model[key] if layer.get(key) is None else layer[key] for key in keys}


def _hidden_layer(settings: Values, units: int, placement: Placement) -> HiddenLayer:
    return HiddenLayer(
        units=units,
        activation=ActivationSpec(*settings["activation"]),
        initializer=InitializerSpec(*settings["initializer"]),
        bias_initializer=InitializerSpec(*settings["bias_initializer"]),
        batch_norm=placement,
        dropout=settings["dropout"],
        use_bias=settings["use_bias"],
    )


def _placements(layers: list[Values], batch_norm: Values) -> list[Placement]:
    """Give the placement of each layer: that of the layer, else the model's in layers k, 2k, ..."""
    every = batch_norm["every"]
    return [
        layer.get("batch_norm") or (batch_norm["placement"] if number % every == 0 else "none")
        for number, layer in enumerate(layers, start=1)
    ]


def _optimizer(training: Values, user_model: bool) -> OptimizerSpec | Automatic:
    written = training["optimizer"]
    if written == "auto" or (written is None and user_model):
        return "auto"
    name, parameters = written or OPTIMIZER.default("sgd")
    if training["learning_rate"] is not None:
        parameters = {**parameters, "learning_rate": training["learning_rate"]}
    return OptimizerSpec(name, parameters)


def _training(training: Values, user_model: bool) -> TrainingSpec:
    steps, epochs = training["steps"], training["epochs"]
    return TrainingSpec(
        optimizer=_optimizer(training, user_model),
        batch_size=training["batch_size"],
        steps=DEFAULT_STEPS if steps is None and epochs is None else steps,
        epochs=epochs,
        loss=training["loss"],
        jit=training["jit"],
        record_every=training["record_every"],
        probe_samples=training["probe_samples"],
        gradient_noise=training["gradient_noise"],
        histogram_every=training["histogram_every"],
        draws=training["draws"],
    )


def _detectors(detectors: Values) -> DetectorsSpec:
    return DetectorsSpec(
        select=detectors["select"],
        ignore=tuple(IgnoredVerdict(code, reason) for code, reason in detectors["ignore"]),
        thresholds=detectors["thresholds"],
    )
