"""What a call from Python may bring: a config, a model, data; and what does not go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gradscope.errors import BadRequest, ConfigError
from gradscope.workflows.measuring.inputs import (
    config_for,
    load_config,
    load_configs,
    look_for_files,
)

MODEL = object()
DATA = ([1.0], [0])


@pytest.mark.parametrize(
    ("config", "model", "data", "sentence"),
    [
        (None, None, DATA, "data was given without a model"),
        ("net.yaml", MODEL, DATA, "takes its config as a mapping"),
        ({"model": {"depth": 2}}, MODEL, DATA, "the config has a section model"),
        ({"data": {"name": "gaussian"}}, MODEL, DATA, "the config has a section data"),
        ({"training": {"steps": 3}}, MODEL, None, "no data was given for the model"),
    ],
)
def test_what_does_not_go_together(config: Any, model: Any, data: Any, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        config_for(config, model, data)


def test_the_config_around_a_model() -> None:
    around = config_for({"training": {"steps": 3}}, MODEL, DATA)
    assert (around.name, around.training.steps, around.data.name) == ("model", 3, "factory")
    named = config_for({"name": "net", "data": {"name": "gaussian"}}, MODEL)
    assert (named.name, named.data.name) == ("net", "gaussian")
    assert config_for(around, MODEL, DATA) is config_for(around) is around
    with pytest.raises(ConfigError, match="model: is required"):
        config_for(None)


def test_mistakes_of_all_configs_are_named_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("model: {depth: -1}\n")
    paths = [str(tmp_path / f"{name}.yaml") for name in ("a", "b")]
    with pytest.raises(ConfigError) as caught:
        load_configs(paths)
    assert [problem.source for problem in caught.value.problems] == paths
    for path in paths:
        Path(path).write_text("name: same\nmodel: {depth: 2}\n")
    with pytest.raises(BadRequest, match="both called same"):
        load_configs(paths)


def test_what_configs_name_is_looked_for_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x,y\n1,2\n")
    (tmp_path / "nets.py").write_text("raise SystemExit\ndef build(): ...\n")
    given = {
        "factory": ("model: {factory: 'nets:bild'}", "nets has no bild (did you mean 'build'?)"),
        "module": ("model: {factory: 'net:build'}", "no module net (did you mean 'nets'?)"),
        "csv": (
            "model: {depth: 1}\ndata: {name: csv, path: date.csv}",
            f"there is no file {tmp_path}/date.csv (did you mean '{tmp_path}/data.csv'?)",
        ),
        "npz": (
            f"model: {{depth: 1}}\ndata: {{name: npz, path: '{tmp_path}'}}",
            f"{tmp_path} is a folder, not a file",
        ),
        "good": ("model: {depth: 1}\ndata: {name: csv, path: data.csv}", ""),
    }
    for name, (text, _) in given.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_configs([str(tmp_path / f"{name}.yaml") for name in given])
    assert len(caught.value.problems) == 4
    for problem in caught.value.problems:
        sentence = given[Path(problem.source).stem][1]
        assert sentence in str(problem)


@pytest.mark.parametrize(
    ("sections", "missing"),
    [
        ({"data": {"name": "csv", "path": "no.csv", "label": "y"}}, r"no\.csv"),
        ({"data": {"name": "npz", "path": "no.npz"}}, r"no\.npz"),
        ({"model": {"keras_file": "no.keras"}}, r"no\.keras"),
    ],
)
def test_files_that_are_not_there(sections: dict[str, Any], missing: str) -> None:
    config = load_config({"model": {"depth": 2}, "data": {"name": "gaussian"}} | sections)
    with pytest.raises(BadRequest, match=missing):
        look_for_files(config)
