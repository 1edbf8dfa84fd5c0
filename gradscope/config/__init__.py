"""From a YAML file to a validated, frozen ExperimentConfig."""

from gradscope.config.experiment import (
    ActivationSpec,
    BatchNormSpec,
    DataSpec,
    DetectorsSpec,
    ExperimentConfig,
    HiddenLayer,
    IgnoredVerdict,
    InitializerSpec,
    ModelSource,
    ModelSpec,
    OptimizerSpec,
    OutputSpec,
    TrainingSpec,
)
from gradscope.config.json_schema import json_schema
from gradscope.config.loading import ResolvedConfig, load_config, resolve_with_origins
from gradscope.config.size_estimate import SizeEstimate, check_size, estimate_size
from gradscope.config.value_readers.registered_functions import RegisteredFunctions

__all__ = [
    "ActivationSpec",
    "BatchNormSpec",
    "DataSpec",
    "DetectorsSpec",
    "ExperimentConfig",
    "HiddenLayer",
    "IgnoredVerdict",
    "InitializerSpec",
    "ModelSource",
    "ModelSpec",
    "OptimizerSpec",
    "OutputSpec",
    "RegisteredFunctions",
    "ResolvedConfig",
    "SizeEstimate",
    "TrainingSpec",
    "check_size",
    "estimate_size",
    "json_schema",
    "load_config",
    "resolve_with_origins",
]
