"""The user's own functions: found, called, and attributed_to_user only for their own lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gradscope.errors import BadRequest
from gradscope.runner.sources import factory

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module into the config's folder; the working directory is another one."""
    (tmp_path / "work").mkdir()
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    before = set(sys.modules)

    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("gs_own"):
            del sys.modules[name]


def call(spec: str, folder: Path, **arguments: Any) -> Any:
    return factory.call_function(spec, arguments, key="model.factory", folder=folder)


def refusal(spec: str, folder: Path, **arguments: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        call(spec, folder, **arguments)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_modules_are_found_in_both_folders_and_the_path_is_restored(
    write: Write, tmp_path: Path
) -> None:
    write("work/gs_own_work.py", "def give(n=1): return n")
    write("config/gs_own_pack/__init__.py", "")
    write(
        "config/gs_own_pack/sub.py", "class Net:\n    @staticmethod\n    def give(n): return n + 1"
    )
    before = list(sys.path)
    assert call("gs_own_work:give", tmp_path / "config") == 1
    assert call("gs_own_pack.sub:Net.give", tmp_path / "config", n=4) == 5
    assert sys.path == before


def test_a_namesake_in_another_folder_is_another_module(write: Write, tmp_path: Path) -> None:
    write("one/gs_own_same.py", "def give(): return 1")
    write("two/gs_own_same.py", "def give(): return 2")
    assert call("gs_own_same:give", tmp_path / "one") == 1
    assert call("gs_own_same:give", tmp_path / "two") == 2


def test_what_is_missing_is_named_with_the_nearest(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    write("config/gs_own_nets.py", "import math\ndef build(width=1): return width\nvalue = 3")
    write("config/gs_own_pack/__init__.py", "")
    assert refusal("gs_own_nest:build", folder) == (
        "model.factory: there is no module gs_own_nest\n  did you mean 'gs_own_nets'?"
    )
    assert "it is looked for among the installed packages and in" in refusal("zzzzqq:f", folder)
    assert "there is no module gs_own_pack.sub" in refusal("gs_own_pack.sub:f", folder)
    assert refusal("gs_own_nets:biuld", folder) == (
        "model.factory: gs_own_nets has no biuld\n  did you mean 'build'?"
    )
    assert "gs_own_nets has no zzzz\n  it has build" in refusal("gs_own_nets:zzzz", folder)
    assert "gs_own_nets:value is a int, not a function" in refusal("gs_own_nets:value", folder)
    assert refusal("gs_own_nets:build", folder, widht=3) == (
        "model.arguments: gs_own_nets:build: got an unexpected keyword argument 'widht'\n"
        "  did you mean 'width'?"
    )


RAISES = """\
import json

def block(width):
    if width > 2:
        raise ValueError(f"too wide: {width}\\x1b[31m")
    return json.loads("{")

def build(width):
    return block(width)

def leave():
    raise SystemExit(3)

def interrupt():
    raise KeyboardInterrupt

def full():
    raise MemoryError
"""


def test_an_exception_shows_the_users_lines_and_no_others(write: Write, tmp_path: Path) -> None:
    path = write("config/gs_own_bad.py", RAISES)
    folder = tmp_path / "config"
    assert refusal("gs_own_bad:build", folder, width=3) == (
        "model.factory: gs_own_bad:build raised ValueError: too wide: 3\n"
        "  in your code:\n"
        f"    {path}:9, in build\n"
        "      return block(width)\n"
        f"    {path}:5, in block\n"
        '      raise ValueError(f"too wide: {width}\\x1b[31m")'
    )
    deep = refusal("gs_own_bad:build", folder, width=1)
    assert "raised JSONDecodeError: Expecting property name" in deep
    assert deep.count(", in ") == 2
    assert "json/" not in deep
    assert "gradscope/" not in deep
    assert "gs_own_bad:leave raised SystemExit: 3" in refusal("gs_own_bad:leave", folder)


def test_stops_and_a_full_memory_pass_through(write: Write, tmp_path: Path) -> None:
    write("config/gs_own_bad.py", RAISES)
    with pytest.raises(KeyboardInterrupt):
        call("gs_own_bad:interrupt", tmp_path / "config")
    with pytest.raises(MemoryError):
        call("gs_own_bad:full", tmp_path / "config")


def test_a_module_that_cannot_be_imported(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    path = write("config/gs_own_syntax.py", "def build(:\n    pass")
    text = refusal("gs_own_syntax:build", folder)
    assert "importing gs_own_syntax raised SyntaxError" in text
    assert f"{path}:1\n      def build(:" in text
    path = write("config/gs_own_needs.py", "import gs_nowhere\ndef build(): ...")
    text = refusal("gs_own_needs:build", folder)
    assert "importing gs_own_needs raised ModuleNotFoundError: No module named 'gs_nowhere'" in text
    assert f"{path}:1, in <module>\n      import gs_nowhere" in text


@pytest.mark.tensorflow
def test_what_is_no_model_is_named(runner_settings: Any, write: Write, tmp_path: Path) -> None:
    import keras

    from gradscope.config.experiment import ModelSource

    write(
        "config/gs_own_models.py",
        "import keras\n"
        "def none(): pass\n"
        "def kind(): return keras.Sequential\n"
        "def good(n): return keras.Sequential([keras.Input((2,)), keras.layers.Dense(n)])\n"
        "def wrong():\n    return keras.layers.Dense(-1)\n",
    )

    def build(name: str, **arguments: Any) -> Any:
        source = ModelSource(f"gs_own_models:{name}", arguments, None, str(tmp_path / "config"))
        return factory.model_from(source, trust=False)

    assert isinstance(build("good", n=3), keras.Model)
    with pytest.raises(BadRequest, match=r"it returned nothing \(None\)\n  add a return"):
        build("none")
    with pytest.raises(BadRequest, match="it returned the class Sequential\n  return an instance"):
        build("kind")
    with pytest.raises(BadRequest, match=r"raised ValueError: .*units") as caught:
        build("wrong")
    assert caught.value.remedy.count(", in ") == 1
