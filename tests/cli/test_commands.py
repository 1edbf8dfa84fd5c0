"""The commands that train nothing: what they print, and that all of them can be called."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gradscope import api
from gradscope.analyzer.detectors import DETECTORS
from gradscope.cli.main import cli
from gradscope.errors import BadRequest, ConfigError
from gradscope.record import Role
from tests.cli.running import ROOT, write_tiny

Answer = Callable[..., str]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(tmp_path)
    return tmp_path


@pytest.fixture
def answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Answer:
    """Call a command in this process; gives what it prints."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str) -> str:
        with cli.make_context("gradscope", list(arguments)) as context:
            cli.invoke(context)
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return call


def test_config_names_the_origin_of_every_value(folder: Path, answer: Answer) -> None:
    text = answer("config", "tiny.yaml", "-s", "model.activation=tanh", "-s", "seed=3")
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in text.splitlines()}
    expected = {
        "name": ('"tiny"', "tiny.yaml:1"),
        "model.hidden_layers[0].units": ("8", "tiny.yaml:2"),
        "model.hidden_layers[1].activation.name": ('"tanh"', "-s model.activation=tanh"),
        "model.hidden_layers[1].dropout": ("0.0", "default"),
        "training.steps": ("5", "tiny.yaml:4"),
        "training.epochs": ("null", "default"),
        "seed": ("3", "-s seed=3"),
        "detectors.ignore": ("[]", "default"),
    }
    for key, (value, origin) in expected.items():
        assert rows[key].split(maxsplit=1) == [value, origin], key
    assert len({line.index(line.split(maxsplit=2)[2]) for line in text.splitlines()}) == 1


def test_config_as_json_is_the_resolved_config(folder: Path, answer: Answer) -> None:
    tree = json.loads(answer("config", "tiny.yaml", "--format", "json"))
    assert tree == api.load_config(folder / "tiny.yaml").to_dict()


def test_schema_is_the_schema(folder: Path, answer: Answer) -> None:
    assert json.loads(answer("schema")) == api.config_schema()


def test_every_shipped_config_is_valid(folder: Path, answer: Answer) -> None:
    assert len(CONFIGS) >= 13
    paths = [str(path) for path in CONFIGS]
    assert answer("validate", *paths) == "".join(f"{path}: ok\n" for path in paths)


def test_validate_names_the_good_ones_and_every_mistake(
    folder: Path, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_text("model: {depth: -1}\n", encoding="utf-8")
    (folder / "b.yaml").write_text("modle: {depth: 1}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        answer("validate", "b.yaml", "tiny.yaml", "a.yaml", "nowhere.yaml")
    assert capsys.readouterr().out == "tiny.yaml: ok\n"
    places = [str(problem).split(" error: ")[0] for problem in caught.value.problems]
    assert set(places) >= {"a.yaml:1:16:", "b.yaml:1:1:", "nowhere.yaml:"}


def test_validate_looks_for_files_and_functions_of_the_user(folder: Path, answer: Answer) -> None:
    (folder / "gs_user_nets.py").write_text("raise SystemExit\ndef build(): ...\n")
    (folder / "file.yaml").write_text("model: {keras_file: none.keras}\n", encoding="utf-8")
    for name in ("build", "biuld"):
        text = f"model: {{factory: 'gs_user_nets:{name}'}}\n"
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    assert answer("validate", "build.yaml") == "build.yaml: ok\n"
    with pytest.raises(ConfigError) as caught:
        answer("validate", "biuld.yaml", "file.yaml")
    function, file = (str(problem) for problem in caught.value.problems)
    assert function == (
        "biuld.yaml:1:18: error: model.factory: gs_user_nets has no biuld (did you mean 'build'?)"
    )
    assert file.startswith("file.yaml:1:21: error: model.keras_file: there is no file ")


def test_explain_lists_and_explains_every_detector(folder: Path, answer: Answer) -> None:
    listed = answer("explain").splitlines()
    assert [line.split()[:2] for line in listed] == sorted(
        [found.code, name] for name, found in DETECTORS.items()
    )
    by_code, by_name = (
        answer("explain", "GS101"),
        answer("explain", "vanishing_gradient"),
    )
    assert by_code == by_name
    assert by_code.startswith("GS101 vanishing_gradient\n")
    assert "threshold: 0.001" in by_code


@pytest.mark.parametrize(
    ("term", "heading", "fact"),
    [
        ("gs203", "GS203 dead_units", "dead_layer_share"),
        ("203", "GS203 dead_units", "dead_layer_share"),
        ("Dead units", "GS203 dead_units", "dead_layer_share"),
        ("relu", "relu (activation)", "max(z, 0)"),
        ("sigmoid", "sigmoid (activation)", "at most 0.25"),
        ("swish", "silu (activation)", "at most 1.1"),
        ("he-normal", "he_normal (initializer)", "2 / fan_in"),
        ("delta", "delta (notation)", "dL/dz"),
        ("delta", "delta (notation)", "delta_second_moment"),
        ("update_ratio", "update_ratio (statistic)", "update"),
        ("momentum", "model.batch_norm.momentum (config key)", "training.optimizer.momentum"),
        ("training.steps", "training.steps (config key)", "default 300"),
        ("frozen", "GS104 frozen_layers", "threshold"),
    ],
)
def test_explain_takes_other_names(answer: Answer, term: str, heading: str, fact: str) -> None:
    text = answer("explain", term)
    assert text.splitlines()[0] == heading
    assert fact in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("vanishing_gradints", "did you mean 'vanishing_gradient'?"),
        ("reluu", "did you mean 'relu'?"),
        ("xyz", "`gradscope explain` lists"),
    ],
)
def test_explain_of_nothing_known(answer: Answer, word: str, remedy: str) -> None:
    with pytest.raises(BadRequest, match=word) as caught:
        answer("explain", word)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("step", [0, 100, 300])
def test_report_at_a_step(answer: Answer, step: int) -> None:
    """Its numbers are those of the record; what other steps hold is not in it."""
    example = ROOT / "docs" / "examples" / "quickstart"
    record = api.load_record(example)
    row = list(record.steps).index(step)
    text = answer("report", str(example), "--step", str(step))
    assert text.startswith(
        f"quickstart at step {step} of 300, loss {record.scalars['loss'][row]:.3g}"
    )
    for index in record.indices(Role.HIDDEN):
        [line] = [line for line in text.splitlines() if f" {record.layers[index].name} " in line]
        rms = record.series["preactivation_second_moment"][row, index] ** 0.5
        after_name = line.split(record.layers[index].name)[1]
        signal = re.search(r"\d\S*", after_name)
        assert signal is not None
        assert float(signal[0]) == pytest.approx(rms, rel=0.006)  # three digits are shown


def test_report_at_a_step_that_was_not_recorded(answer: Answer) -> None:
    with pytest.raises(BadRequest, match="step 301 was not recorded") as caught:
        answer("report", str(ROOT / "docs" / "examples" / "quickstart"), "--step", "301")
    assert "nearest is 300" in caught.value.remedy


@pytest.mark.parametrize("content", [b"no record", b"", b"PK\x03\x04"])
def test_a_record_that_is_none(folder: Path, answer: Answer, content: bytes) -> None:
    (folder / "file.npz").write_bytes(content)
    with pytest.raises(BadRequest, match=r"file\.npz"):
        answer("report", "file.npz")
