"""`load_config`: from a file or a mapping, with overrides, to an experiment or all mistakes."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradscope.config.document.document import Document, source_name
from gradscope.config.document.mapping_document import document_from_mapping
from gradscope.config.document.yaml_reader import MAXIMUM_BYTES, read_yaml
from gradscope.config.experiment import ExperimentConfig
from gradscope.config.origins import value_origins
from gradscope.config.overrides import apply_overrides
from gradscope.config.resolve import resolve
from gradscope.config.sections.whole_config import is_run_name, read_config
from gradscope.config.size_estimate import report_size
from gradscope.config.user_code import report_missing_user_code
from gradscope.config.value_readers.registered_functions import RegisteredFunctions
from gradscope.config.value_readers.value_reader import ReadContext
from gradscope.errors import ConfigError, Problem
from gradscope.message_text import nearest_name, sanitise

ConfigSource = str | Path | Mapping[str, Any]


@dataclass(frozen=True)
class ResolvedConfig:
    """A resolved experiment, and the origin of every value in it."""

    config: ExperimentConfig
    origins: Mapping[str, str]


def load_config(
    source: ConfigSource,
    overrides: Sequence[str] = (),
    registered: RegisteredFunctions | None = None,
    *,
    locate_user_code: bool = False,
) -> ExperimentConfig:
    """Read a config and check it; `ConfigError` names every mistake at once.

    `source` is a YAML file or a mapping; `overrides` are texts like `model.depth=50`, which win
    over the file: setting `model.depth` drops the file's `hidden` and `layers` (and the other way
    round), `training.steps` its `epochs`, `training.learning_rate` that of the optimizer. With
    `locate_user_code`, the files it names and the functions of factories must exist.
    """
    return _load(source, overrides, registered, locate_user_code=locate_user_code)[0]


def resolve_with_origins(
    source: ConfigSource,
    overrides: Sequence[str] = (),
    registered: RegisteredFunctions | None = None,
) -> ResolvedConfig:
    """Read a config as `load_config` does, with the origin of every value.

    The origins' keys are paths into `ExperimentConfig.to_dict()`, such as
    `model.hidden_layers[0].units`; an origin is `default`, `FILE:LINE`, or the `-s` flag.
    """
    config, document = _load(source, overrides, registered)
    return ResolvedConfig(config, value_origins(config, document))


def _load(
    source: ConfigSource,
    overrides: Sequence[str],
    registered: RegisteredFunctions | None,
    *,
    locate_user_code: bool = False,
) -> tuple[ExperimentConfig, Document]:
    document, folder, name = read_document(source)
    apply_overrides(document, overrides)
    config = resolve_document(document, folder, name, registered, locate_user_code=locate_user_code)
    if config is None:
        raise ConfigError(tuple(dict.fromkeys(document.problems)))
    return config, document


def read_document(source: ConfigSource) -> tuple[Document, Path, str]:
    """Read a file or a mapping; also its folder, and the run's name where it has none."""
    if isinstance(source, Mapping):
        return document_from_mapping(source), Path.cwd(), "experiment"
    path = Path(source)
    document = read_yaml(_read_bytes(path), source_name(path))
    return document, path.absolute().parent, run_name_from(path.stem)


def resolve_document(
    document: Document,
    folder: Path,
    name: str,
    registered: RegisteredFunctions | None,
    *,
    locate_user_code: bool = False,
) -> ExperimentConfig | None:
    """Check a document; None where it has a mistake, which is then among its problems."""
    values = read_config(document.tree, ReadContext(document, folder), registered)
    if locate_user_code:
        report_missing_user_code(values, folder, document)
    if document.problems:
        return None
    config = resolve(values, name, str(folder))
    report_size(config, document)
    return None if document.problems else config


def run_name_from(text: str) -> str:
    """Make the name of a run, and of its folder, from any text."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:80].rstrip(".-")
    return name if is_run_name(name) else "experiment"


def _read_bytes(path: Path) -> bytes:
    """Read a config file; devices, pipes and directories are refused without being opened."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _config_error(
                path, "is a directory, not a config file", _first_match(path, "*.y*ml")
            )
        if not stat.S_ISREG(mode):
            raise _config_error(path, "is not a regular file", "give a YAML file")
        with path.open("rb") as file:
            return file.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        raise _config_error(path, "no such file", _nearest_file(path)) from None
    except (OSError, ValueError) as error:
        reason = sanitise(getattr(error, "strerror", None) or str(error))
        raise _config_error(
            path, f"cannot be read: {reason}", "check the path and its permissions"
        ) from None


def _config_error(path: Path, message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(source_name(path), 0, 0, "", message, remedy),))


def _nearest_file(path: Path) -> str:
    try:
        names = [item.name for item in path.parent.iterdir() if item.suffix in {".yaml", ".yml"}]
    except (OSError, ValueError):
        return f"there is no folder {source_name(path.parent)}"
    close = nearest_name(path.name, names)
    if close:
        return f"did you mean '{source_name(path.parent / close)}'?"
    return "check the path"


def _first_match(folder: Path, pattern: str) -> str:
    try:
        names = sorted(item.name for item in folder.glob(pattern))
    except OSError:
        names = []
    return f"it holds {source_name(names[0])}" if names else "give a YAML file"
