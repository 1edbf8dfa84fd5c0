"""`gradscope init`: every config that it writes can be read, and no file is lost."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gradscope import load_config
from gradscope.cli.main import cli
from gradscope.errors import BadRequest, ConfigError
from tests.cli.running import COMMAND, environment

Call = Callable[..., str]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Call a command in this process in an empty folder; gives what it prints."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> str:
        with cli.make_context("gradscope", list(arguments)) as context:
            cli.invoke(context)
        return capsys.readouterr().out

    return call


@pytest.fixture
def files(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("def build(): ...\ndef data(): ...\n")
    (tmp_path / "my rows.csv").write_text("a,label\n1,0\n")
    (tmp_path / "rows.npz").write_bytes(b"")
    (tmp_path / "deeper").mkdir()


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        ((), "network.yaml"),
        (("net.yaml",), "net.yaml"),
        (("50.yaml", "--depth", "3", "--width", "7"), "50.yaml"),
        (("net.yaml", "--activation", "selu"), "net.yaml"),
        (("net.yaml", "--activation", "swish", "--initializer", "glorot_normal"), "net.yaml"),
        (("net.yaml", "--batch-norm", "before_activation"), "net.yaml"),
        (("net.yaml", "--batch-norm", "after_activation"), "net.yaml"),
        (("net.yaml", "--data", "moons"), "net.yaml"),
        (("net.yaml", "--data", "keras:mnist"), "net.yaml"),
        (("net.yaml", "--data", "my rows.csv"), "net.yaml"),
        (("deeper/net.yaml", "--data", "rows.npz"), "deeper/net.yaml"),
        (("net.yaml", "--data", "train:data"), "net.yaml"),
        (("train:build", "--data", "train:data"), "train.yaml"),
        (("train:build", "-o", "net.yaml"), "net.yaml"),
    ],
)
def test_every_variant_is_valid(call: Call, arguments: tuple[str, ...], file: str) -> None:
    said = call("init", *arguments)
    assert said.startswith(f"wrote {file}\n")
    assert call("validate", file) == f"{file}: ok\n"
    text = Path(file).read_text()
    assert text.count("#") >= 4, "it has comments"
    assert max(map(len, text.splitlines())) <= 88
    config = load_config(file)
    assert config.name == Path(file).stem
    assert Path(config.data.parameters.get("path", file)).exists()


def test_the_options_are_in_the_config(call: Call) -> None:
    call("init", "a.yaml", "--depth", "3", "--width", "7", "--activation", "tanh")
    layers = load_config("a.yaml").model.hidden_layers
    assert [layer.units for layer in layers] == [7, 7, 7]
    assert layers[0].activation.name == "tanh"
    assert layers[0].initializer.name == "glorot_uniform", "Keras's default goes with tanh"


def test_a_file_is_replaced_only_on_request(call: Call) -> None:
    Path("net.yaml").write_text("mine")
    with pytest.raises(BadRequest, match=r"net\.yaml exists"):
        call("init", "net.yaml")
    assert Path("net.yaml").read_text() == "mine"
    call("init", "net.yaml", "--replace")
    assert load_config("net.yaml").name == "net"


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("net.yaml", "--activation", "reluu", "--depth", "0"), "did you mean 'relu'"),
        (("net.yaml", "--batch-norm", "before"), "before_activation"),
        (("net.yaml", "--data", "nowhere.csv"), "no file nowhere.csv"),
        (("net.yaml", "--data", "train:date"), "did you mean 'data'"),
        (("train:built",), "did you mean 'build'"),
        (("train:build", "--depth", "3"), "--depth"),
        (("nowhere/net.yaml",), "no folder nowhere"),
    ],
)
def test_mistakes_write_nothing(call: Call, arguments: tuple[str, ...], words: str) -> None:
    before = sorted(Path().iterdir())
    with pytest.raises((BadRequest, ConfigError)) as caught:
        call("init", *arguments)
    assert words in str(caught.value)
    assert sorted(Path().iterdir()) == before


def test_questions_on_a_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "init"],
        cwd=tmp_path,
        env=environment(tmp_path, TERM="dumb"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    os.write(leader, b"moons\n3\ntanh\n\n")
    assert process.wait(60) == 0
    os.close(leader)
    config = load_config(tmp_path / "network.yaml")
    assert config.data.name == "moons"
    assert [layer.activation.name for layer in config.model.hidden_layers] == ["tanh"] * 3
