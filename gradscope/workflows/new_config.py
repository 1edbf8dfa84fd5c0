"""Write a new config, after it was read as a config."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from gradscope.config.loading import run_name_from
from gradscope.errors import BadRequest, ConfigError
from gradscope.record.files import atomic, output_file
from gradscope.reporters.new_config import FILE_DATASETS, NewConfig, config_text
from gradscope.workflows.measuring.inputs import load_config


def write_config(choices: NewConfig, path: Path, *, replace_file: bool = False) -> None:
    """Write the config of `choices` into `path`.

    A data file is written relative to the config. Raises `BadRequest` where there is a file and
    `replace_file` is not given; `ConfigError` for choices that make no config, and where a file or
    function that they name does not exist. Then nothing is written.
    """
    if path.exists() and (not replace_file or not path.is_file()):
        remedy = "name another file, or replace it with --replace"
        raise BadRequest(f"{path} exists", remedy if path.is_file() else "name a file")
    if not path.parent.is_dir():
        raise BadRequest(f"there is no folder {path.parent}", "name a file in a folder that exists")
    output_file.check_outputs([path])
    if choices.data.endswith(tuple(FILE_DATASETS)) and not Path(choices.data).is_file():
        raise BadRequest(f"there is no file {choices.data}", "check --data")
    content = _content(choices, path)
    draft = path.with_name(f".{path.stem}.{os.getpid()}.yaml")
    try:
        atomic.write(draft, content)
        load_config(str(draft), locate_user_code=True)
        draft.replace(path)
    except ConfigError as error:
        problems = (replace(item, source="gradscope init", line=0) for item in error.problems)
        raise ConfigError(tuple(problems)) from None
    finally:
        draft.unlink(missing_ok=True)


def says_the_same(choices: NewConfig, path: Path) -> bool:
    """Whether `path` holds what `write_config` would write."""
    return path.is_file() and path.read_bytes() == _content(choices, path)


def _content(choices: NewConfig, path: Path) -> bytes:
    """The text of the config, with the data file relative to it."""
    if choices.data.endswith(tuple(FILE_DATASETS)):
        choices = replace(choices, data=os.path.relpath(choices.data, path.parent))
    return config_text(choices).encode()


def name_of(path: Path) -> str:
    """The name of the config in `path`."""
    return run_name_from(path.stem)
