"""What the user gives: configs, the data and the model file they name, a model as an object."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradscope.analyzer.detectors import DETECTORS
from gradscope.config import loading as config_loading
from gradscope.config.experiment import ExperimentConfig
from gradscope.config.json_schema import json_schema
from gradscope.config.loading import ConfigSource, ResolvedConfig, resolve_with_origins
from gradscope.config.sections.data import USER_DATA
from gradscope.config.size_estimate import check_size
from gradscope.config.sweep.members import plan_sweep
from gradscope.config.value_readers.registered_functions import RegisteredFunctions
from gradscope.datasets import DATASETS, loading
from gradscope.datasets.samples import existing_file
from gradscope.errors import BadRequest, ConfigError, Problem
from gradscope.record.run_record import GIVEN
from gradscope.runner.sources.keras_data import KERAS_DATASETS

CONFIGS = Path("configs")
"""Where a project keeps its configs, unless in the folder where commands are typed."""


def registered_functions() -> RegisteredFunctions:
    """The data sets and detectors that a config may name."""
    return RegisteredFunctions(
        datasets={**DATASETS, **KERAS_DATASETS},
        detectors={name: (entry.code, entry.function) for name, entry in DETECTORS.items()},
    )


def load_config(
    source: ConfigSource, overrides: Sequence[str] = (), *, locate_user_code: bool = False
) -> ExperimentConfig:
    """Read a config file (or mapping) with overrides such as ``model.depth=50``.

    With `locate_user_code`, the files that it names and the functions of factories must exist; no
    code of the user is executed. Raises `ConfigError`, which names every mistake at once.
    """
    return config_loading.load_config(
        source, overrides, registered_functions(), locate_user_code=locate_user_code
    )


def check_config(source: str, overrides: Sequence[str] = ()) -> int:
    """Check a config file, of a sweep every member; the number of members, 0 of an experiment.

    Raises `ConfigError`, which names every mistake at once.
    """
    document, _, _ = config_loading.read_document(source)
    if isinstance(document.tree, dict) and "sweep" in document.tree:
        plan = plan_sweep(source, overrides, registered=registered_functions())
        return len(plan.members)
    load_config(source, overrides, locate_user_code=True)
    return 0


def load_configs(
    sources: Sequence[str], overrides: Sequence[str] = ()
) -> list[tuple[str, ExperimentConfig]]:
    """Read several configs, whose names must differ, and give each with its source.

    The files that they name and the functions of factories must exist. Raises `ConfigError`, which
    names every mistake of all of them at once.
    """
    problems: list[Problem] = []
    loaded = []
    for source in sources:
        try:
            loaded.append((source, load_config(source, overrides, locate_user_code=True)))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))
    source_of: dict[str, str] = {}
    for source, config in loaded:
        if config.name in source_of:
            raise BadRequest(
                f"{source_of[config.name]} and {source} are both called {config.name}",
                "give each a name of its own: it names the folder of the report",
            )
        source_of[config.name] = source
    return loaded


def resolve(source: ConfigSource, overrides: Sequence[str] = ()) -> ResolvedConfig:
    """Read a config and say for every resolved value where it came from."""
    return resolve_with_origins(source, overrides, registered_functions())


def config_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of what a config file may hold."""
    return json_schema(registered_functions())


def look_for_files(config: ExperimentConfig) -> None:
    """Refuse data files and model files that are not there; nothing of them is read."""
    path, source = config.data.parameters.get("path"), config.model.source
    if config.data.name != USER_DATA and isinstance(path, str):
        existing_file(Path(path))
    if (
        source is not None
        and source.keras_file is not None
        and not Path(source.keras_file).exists()
    ):
        raise BadRequest(
            f"model.keras_file: there is no file {source.keras_file}", "check the path"
        )


def input_files(config: ExperimentConfig) -> list[Path]:
    """The files of the user that measuring `config` reads, there or not: an output must be none.

    Of a factory, the file of its module beside the config.
    """
    parameters, source = config.data.parameters, config.model.source
    files = [Path(parameters["path"])] if isinstance(parameters.get("path"), str) else []
    factories = [parameters.get("factory") if config.data.name == USER_DATA else None]
    if source is not None:
        factories.append(source.factory)
        files += [Path(source.keras_file)] if source.keras_file is not None else []
    folders = {Path(), Path((source.folder if source is not None else None) or "")}
    modules = [name.partition(":")[0] for name in factories if name is not None]
    files += [
        folder.joinpath(*module.split(".")).with_suffix(".py")
        for folder in folders
        for module in modules
    ]
    return files


def check_inputs(config: ExperimentConfig, *, trust_model: bool) -> None:
    """Refuse data or a model file that cannot be used.

    Keras's own data sets are loaded where the network is measured: reading them needs Keras.
    """
    _check_data(config)
    _check_model_file(config, trust=trust_model)


def _check_data(config: ExperimentConfig) -> None:
    """Load the data, which also tells how large the built-in network will be."""
    if config.data.name in KERAS_DATASETS or config.data.name == USER_DATA:
        return
    data = config.data
    samples = loading.load(data.name, data.parameters, data.scaling, config.training.batch_size)
    if config.model.source is not None:
        return
    features = math.prod(samples.x.shape[1:])
    outputs = samples.classes or math.prod(samples.y.shape[1:])
    check_size(config, features=features, outputs=outputs)


def _check_model_file(config: ExperimentConfig, *, trust: bool) -> None:
    """Scan the model file that the config names, unless the user trusts it."""
    source = config.model.source
    if source is not None and source.keras_file is not None and not trust:
        from gradscope.runner.sources import keras_file_scan

        keras_file_scan.scan(source.keras_file)


def config_for(
    config: ExperimentConfig | ConfigSource | None, model: Any = None, data: Any = None
) -> ExperimentConfig:
    """The config of a call from Python, which may bring its model and data as objects.

    Raises `BadRequest` for what does not go together.
    """
    if model is not None:
        return _config_around_model(config, with_data=data is not None)
    if data is not None:
        raise BadRequest(
            "data was given without a model", "pass model=, or name the data in the config"
        )
    if isinstance(config, ExperimentConfig):
        return config
    return load_config(config if config is not None else {})


def _config_around_model(
    config: ExperimentConfig | ConfigSource | None, *, with_data: bool
) -> ExperimentConfig:
    """The config around a model given as an object: its model and data sections say so."""
    if isinstance(config, ExperimentConfig):
        return config
    objects = {"model": {"factory": "given:model"}}
    if with_data:
        objects["data"] = {"factory": GIVEN}
    if config is not None and not isinstance(config, Mapping):
        raise BadRequest(
            "a model given as an object takes its config as a mapping",
            "for example config={'training': {'steps': 100}}",
        )
    sections = dict(config or {})
    twice = next((section for section in objects if section in sections), None)
    if twice is not None:
        raise BadRequest(
            f"{twice} is given as an object, and the config has a section {twice}",
            "keep one of them",
        )
    if not with_data and "data" not in sections:
        raise BadRequest(
            "no data was given for the model", "pass data=(inputs, targets) or a dataset"
        )
    return load_config({"name": "model"} | sections | objects)
