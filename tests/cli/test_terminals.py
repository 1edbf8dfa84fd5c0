"""Terminals, encodings and environments a command can meet; nothing is trained here."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from pathlib import Path

import pytest

from gradscope.cli import terminal
from tests.cli.running import COMMAND, environment, run, shell, write_tiny

PIPED_WIDTH = 100

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reports/tiny in it."""
    folder = tmp_path_factory.mktemp("terminals")
    write_tiny(folder)
    done = run(folder, "run", "tiny.yaml", env=environment(folder, stand_in="vanish"))
    assert done.returncode == 0, done.stderr
    return folder


def shown(folder: Path, **extra: str) -> str:
    done = run(folder, "report", "reports/tiny", env=environment(folder, **extra))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def plain(folder: Path) -> str:
    return shown(folder)


@pytest.mark.parametrize(
    ("columns", "width"),
    [
        *((text, PIPED_WIDTH) for text in ("0", "abc", "-5", "", "1e3", "\N{SUPERSCRIPT TWO}")),
        ("80", 80),
        ("20", 20),
        ("99999999999999999999", terminal.WIDEST),
    ],
)
def test_the_width(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal.options().width == width


@pytest.mark.parametrize(("columns", "width"), [("0", PIPED_WIDTH), ("80", 80)])
def test_the_width_is_kept(folder: Path, columns: str, width: int) -> None:
    text = shown(folder, COLUMNS=columns)
    assert width / 2 < max(map(len, text.splitlines())) <= width
    assert "1e-15" in text, "figures are never cut"


def test_another_encoding(folder: Path) -> None:
    text = shown(folder, PYTHONIOENCODING="ascii")
    assert "UNHEALTHY" in text
    assert text.isascii()


def test_what_an_encoding_lacks_is_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", narrow)
    terminal.result("\N{GREEK SMALL LETTER SIGMA}")
    assert narrow.buffer.getvalue() == b"\\u03c3\n"  # type: ignore[attr-defined]


def test_plain_when_asked_or_piped(folder: Path, plain: str) -> None:
    assert "\x1b" not in plain
    assert shown(folder, NO_COLOR="1", TERM="dumb") == plain


def on_a_terminal(folder: Path, **extra: str) -> str:
    """What the command writes to a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "report", "reports/tiny"],
        cwd=folder,
        env=environment(folder, COLUMNS="100", **extra),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    parts = []
    try:
        while part := os.read(leader, 65536):
            parts.append(part)
    except OSError:  # Linux says EIO when the other side is closed
        pass
    os.close(leader)
    assert process.wait() == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_colour_on_a_terminal_only(folder: Path, plain: str) -> None:
    assert "\x1b[" in on_a_terminal(folder, TERM="xterm-256color")
    assert on_a_terminal(folder, TERM="xterm-256color", NO_COLOR="1") == plain
    assert on_a_terminal(folder, TERM="dumb") == plain


def test_forced_colour(folder: Path, plain: str) -> None:
    assert "\x1b[" in shown(folder, FORCE_COLOR="1")
    assert shown(folder, FORCE_COLOR="") == plain
    assert shown(folder, FORCE_COLOR="1", NO_COLOR="1") == plain


def test_other_commands_take_a_name_too(folder: Path) -> None:
    by_name = run(folder, "show", "tiny")
    assert (by_name.returncode, by_name.stderr) == (0, "")
    assert by_name.stdout == run(folder, "show", "reports/tiny").stdout
    assert run(folder, "export", "tiny", "--format", "csv").stdout.startswith("step,layer,")


def test_open(folder: Path) -> None:
    """The page goes to the browser that BROWSER names."""
    browser = folder / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\n')
    browser.chmod(0o755)
    env = environment(folder, BROWSER=f"{browser} %s")
    page = folder / "reports" / "tiny" / "report.html"
    written = page.read_text()
    done = run(folder, "report", "tiny", "--open", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "opened").read_text() == f"{page.as_uri()}\n"
    page.unlink()
    assert "--write" in run(folder, "report", "tiny", "--open", env=env).stderr
    page.write_text(written)


def test_json_is_strict_and_alone(folder: Path) -> None:
    done = run(folder, "report", "reports/tiny", "--format", "json")
    written = (folder / "reports" / "tiny" / "result.json").read_text(encoding="utf-8")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", written)


def test_a_working_folder_that_is_gone(folder: Path) -> None:
    line = f"mkdir gone && cd gone && rmdir ../gone && $GRADSCOPE validate {folder / 'tiny.yaml'}"
    done = shell(folder, line, environment(folder))
    assert done.returncode == 0, done.stderr


def test_no_home(folder: Path) -> None:
    env = environment(folder)
    env.pop("HOME", None)
    assert run(folder, "validate", "tiny.yaml", env=env).stdout == "tiny.yaml: ok\n"


def test_pictures_without_a_home(folder: Path) -> None:
    """What matplotlib says of a folder for its settings is not for our reader."""
    env = environment(folder, HOME=str(folder / "tiny.yaml" / "home"), MPLBACKEND="nosuch")
    target = folder / "pictures"
    target.mkdir()
    record = (folder / "reports" / "tiny" / "record.npz").read_bytes()
    (target / "record.npz").write_bytes(record)
    done = run(folder, "report", str(target), "--write", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    names = {path.name for path in target.iterdir()}
    assert {"report.html", "result.json", "loss.png", "loss.svg", "record.npz"} <= names
    assert (target / "record.npz").read_bytes() == record
    assert ".lock" not in names
