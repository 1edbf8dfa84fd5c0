"""The resolved experiment: every default filled in, every layer listed.

The runner reads these; a worker process receives them as JSON (`to_dict`, `from_dict`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from gradscope.config.document.tree_path import dotted_path
from gradscope.errors import ConfigError, Problem

Scalar = bool | int | float | str | None
Placement = Literal["none", "before_activation", "after_activation"]
Automatic = Literal["auto"]


class _ExactFields:
    """Restored from JSON only with exactly these fields, all numbers finite."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class ActivationSpec(_ExactFields):
    """An activation by Keras's name, with all its parameters."""

    name: str
    parameters: dict[str, Scalar]


@dataclass(frozen=True)
class InitializerSpec(_ExactFields):
    """An initializer by Keras's name, with all its parameters."""

    name: str
    parameters: dict[str, Scalar]


@dataclass(frozen=True)
class HiddenLayer(_ExactFields):
    """One hidden Dense layer with its activation, batch normalization and dropout."""

    units: int
    activation: ActivationSpec
    initializer: InitializerSpec
    bias_initializer: InitializerSpec
    batch_norm: Placement
    dropout: float
    use_bias: bool


@dataclass(frozen=True)
class BatchNormSpec(_ExactFields):
    """How batch normalization is set up where it is used; `input` puts one before all layers."""

    placement: Placement
    momentum: float
    epsilon: float
    input: bool
    every: int


@dataclass(frozen=True)
class OutputSpec(_ExactFields):
    """The output layer; `auto` is decided by the labels."""

    units: int | Automatic
    activation: ActivationSpec | Automatic
    initializer: InitializerSpec


@dataclass(frozen=True)
class ModelSource(_ExactFields):
    """A model of the user: the result of a function, or a saved model.

    `folder` is the folder of the config: the factory's module may be there.
    """

    factory: str | None
    arguments: dict[str, Any]
    keras_file: str | None
    folder: str | None = None


@dataclass(frozen=True)
class ModelSpec(_ExactFields):
    """The built-in network, or, with a `source`, a model of the user and no hidden layers."""

    hidden_layers: tuple[HiddenLayer, ...]
    batch_norm: BatchNormSpec
    output: OutputSpec
    source: ModelSource | None = None


@dataclass(frozen=True)
class DataSpec(_ExactFields):
    """The data set by name, with its parameters and how its features are scaled.

    Data of the user has the name `factory`; its parameters are `factory`, `arguments` and `folder`.
    """

    name: str
    scaling: Literal["standardize", "unit", "minmax", "none"]
    parameters: dict[str, Any]


@dataclass(frozen=True)
class OptimizerSpec(_ExactFields):
    """An optimizer by its config name, with all its parameters."""

    name: str
    parameters: dict[str, Scalar]


@dataclass(frozen=True)
class TrainingSpec(_ExactFields):
    """How the network is trained; exactly one of `steps` and `epochs` is set.

    For a model of the user, `auto` is the optimizer and the loss that it was compiled with.
    """

    optimizer: OptimizerSpec | Automatic
    batch_size: int
    steps: int | None
    epochs: int | None
    loss: str
    jit: Literal["auto", "on", "off"]
    record_every: int
    probe_samples: int
    gradient_noise: bool
    histogram_every: int | None
    draws: int | Automatic


@dataclass(frozen=True)
class IgnoredVerdict(_ExactFields):
    """A detector whose verdict does not count, and the reason."""

    code: str
    reason: str


@dataclass(frozen=True)
class DetectorsSpec(_ExactFields):
    """Which detectors run (None: all), what is ignored, and thresholds that differ."""

    select: tuple[str, ...] | None
    ignore: tuple[IgnoredVerdict, ...]
    thresholds: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class ExpectSpec(_ExactFields):
    """Budgets that a check compares a run with; None: no budget. Ranges are (low, high)."""

    verdict: Literal["healthy", "warning", "unhealthy"] | None = None
    delta_ratio: tuple[float, float] | None = None
    signal_ratio: tuple[float, float] | None = None
    max_dead_fraction: float | None = None
    min_derivative_gain: float | None = None
    min_accuracy: float | None = None
    max_loss: float | None = None


@dataclass(frozen=True)
class ExperimentConfig(_ExactFields):
    """One experiment, fully resolved."""

    name: str
    model: ModelSpec
    data: DataSpec
    training: TrainingSpec
    seed: int
    device: Literal["auto", "cpu", "gpu"]
    threads: int
    detectors: DetectorsSpec
    expect: ExpectSpec = ExpectSpec()

    def to_dict(self) -> dict[str, Any]:
        """Give the whole config as JSON-able data, keys in a fixed order."""
        tree: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return tree

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> ExperimentConfig:
        """Restore exactly what `to_dict` gave; `ConfigError` when it is something else."""
        try:
            return _adapter().validate_json(json.dumps(tree), strict=True)
        except ValidationError as error:
            paths = [detail["loc"] for detail in error.errors(include_url=False)]
        except (ValueError, TypeError, RecursionError):
            paths = [()]
        raise ConfigError(
            tuple(
                Problem(
                    "resolved config", 0, 0, dotted_path(path), "is missing or of the wrong kind"
                )
                for path in paths
            )
        )

    @property
    def hash(self) -> str:
        """Identify the experiment: sha256 over everything but `name` and `expect`.

        A key that was added later counts only where it is not its default, so that older configs
        keep their hash. A file counts by its name only and a folder not at all, so that the same
        checkout has the same hash on every machine; the content of the data has another hash, in
        the environment.
        """
        tree = self.to_dict()
        del tree["name"], tree["expect"]
        if tree["model"]["source"] is None:
            del tree["model"]["source"]
        for key, default in LATER_TRAINING_KEYS.items():
            if tree["training"][key] == default:
                del tree["training"][key]
        text = json.dumps(
            without_folders(tree), sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return hashlib.sha256(text.encode()).hexdigest()


LATER_TRAINING_KEYS = {"gradient_noise": False, "histogram_every": None, "draws": "auto"}
"""Keys that came after the first baselines, with what they were before they could be set: such a
value is the same as none, so that old baselines still fit."""


def without_folders(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Give a config's tree without the folders, which differ between two checkouts."""
    kept: dict[str, Any] = json.loads(json.dumps(tree))
    for mapping in (kept["data"]["parameters"], kept["model"].get("source") or {}):
        mapping.pop("folder", None)
        for key in ("path", "keras_file"):
            if isinstance(mapping.get(key), str):
                mapping[key] = PurePath(mapping[key]).name
    return kept


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[ExperimentConfig]:
    return TypeAdapter(ExperimentConfig)
