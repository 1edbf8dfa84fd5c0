"""Files and functions of the user's own that a config names: located, never executed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gradscope.config import RegisteredFunctions, load_config
from gradscope.errors import ConfigError
from tests.each_case import each_case

Locate = Callable[..., Sequence[str]]
NETS = """
raise SystemExit("this module was executed")
import os.path
from keras import Sequential as Net

def build(width): return Net([])
async def later(): ...
if os.name == "nt":
    def windows(): ...
else:
    try:
        posix = build
    except NameError as error:
        def fallback(): ...
with open("x") as file:
    opened: object = file
for looped in (1, 2):
    pass
match looped:
    case 1:
        def matched(): ...
class Given:
    def give(self): return "\\d"
    class Inner:
        give = build
class Derived(Given): ...
@build
class Decorated: ...
"""


@pytest.fixture
def locate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registered: RegisteredFunctions
) -> Locate:
    """Write modules and a config in `conf/`, work in `work/`, and give the problems."""
    files = {
        "conf/gs_nets.py": NETS,
        "conf/gs_pack/__init__.py": "raise SystemExit",
        "conf/gs_pack/inner.py": "def load(): ...",
        "conf/gs_space/deep.py": "def load(): ...",
        "conf/gs_outer/middle/deep.py": "def load(): ...",
        "conf/gs_broken.py": "def build(:\n",
        "conf/gs_star.py": "from os.path import *",
        "conf/gs_lazy.py": "def __getattr__(name): ...",
        "conf/gs_dynamic.py": "globals()['build'] = print",
        "conf/gs_exec.py": "exec('build = print')",
        "conf/gs_both.py": "builds = 1\ndef bulid(): ...",
        "conf/gs_latin.py": b"name = '\xe9'\n",
        "conf/gs_empty.py": "",
        "conf/net.keras": "",
        "work/gs_work.py": "def build(): ...",
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    monkeypatch.chdir(tmp_path / "work")

    def problems(text: str) -> list[str]:
        before = set(sys.modules)
        (tmp_path / "conf/c.yaml").write_text(text, encoding="utf-8")
        try:
            load_config(tmp_path / "conf/c.yaml", (), registered, locate_user_code=True)
        except ConfigError as error:
            folder = str(tmp_path)
            return [str(problem).replace(folder, "TMP") for problem in error.problems]
        finally:
            assert not {name for name in set(sys.modules) - before if name.startswith("gs_")}
        return []

    return problems


@each_case(
    "factory",
    [
        *("gs_nets:build", "gs_nets:later", "gs_nets:windows", "gs_nets:posix"),
        *("gs_nets:fallback", "gs_nets:opened", "gs_nets:looped", "gs_nets:matched"),
        *("gs_nets:Net", "gs_nets:Net.give", "gs_nets:os.path.join", "gs_nets:Given.give"),
        *("gs_nets:Given.Inner.give", "gs_nets:Derived.give", "gs_nets:Decorated.give"),
        *("gs_pack.inner:load", "gs_space.deep:load", "gs_outer.middle.deep:load", "gs_work:build"),
        *("gs_star:anything", "gs_lazy:anything", "gs_dynamic:build", "gs_exec:build"),
        *("os.path:join", "math:sqrt", "json.decoder:JSONDecoder", "sys:exit"),
    ],
)
def test_a_function_that_exists_or_may_exist(locate: Locate, factory: str) -> None:
    assert locate(f"model: {{factory: '{factory}'}}\ndata: {{factory: '{factory}'}}") == []


@each_case(
    ("factory", "message"),
    [
        ("gs_nets:biuld", "gs_nets has no biuld (did you mean 'build'?)"),
        ("gs_nets:Given.gave", "gs_nets.Given has no gave (did you mean 'give'?)"),
        (
            "gs_nets:xyz",
            "gs_nets has no xyz (it has build, later, windows, fallback, matched, "
            "Given, Derived, Decorated)",
        ),
        ("gs_both:build", "gs_both has no build (did you mean 'bulid'?)"),
        ("gs_empty:build", "gs_empty has no build (it has no function)"),
        ("gs_net:build", "there is no module gs_net (did you mean 'gs_nets'?)"),
        ("gs_wrk:build", "there is no module gs_wrk (did you mean 'gs_work'?)"),
        ("gs_pack.iner:load", "there is no module gs_pack.iner (did you mean 'inner'?)"),
        (
            "gs_nets.build:x",
            "there is no module gs_nets.build (gs_nets is a module, not a package)",
        ),
        (
            "qqqqqqqq:build",
            "there is no module qqqqqqqq (it is looked for among the installed "
            "packages and in TMP/work or TMP/conf)",
        ),
        ("gs_broken:build", "TMP/conf/gs_broken.py:1 cannot be read as Python: invalid syntax"),
    ],
)
def test_a_function_that_is_missing(locate: Locate, factory: str, message: str) -> None:
    place = "TMP/conf/c.yaml:1:18: error: model.factory: "
    assert locate(f"model: {{factory: '{factory}'}}") == [place + message]
    [in_data] = locate(f"model: {{depth: 1}}\ndata: {{factory: '{factory}'}}")
    assert in_data == f"TMP/conf/c.yaml:2:17: error: data.factory: {message}"


def test_a_source_in_another_encoding_is_named(locate: Locate) -> None:
    [problem] = locate("model: {factory: 'gs_latin:build'}")
    assert "TMP/conf/gs_latin.py" in problem
    assert "cannot be read as Python" in problem


@each_case(
    ("file", "message"),
    [
        ("nte.keras", "there is no file TMP/conf/nte.keras (did you mean 'TMP/conf/net.keras'?)"),
        ("a/b.keras", "there is no file TMP/conf/a/b.keras (check the path)"),
        ("gs_pack", "TMP/conf/gs_pack is a folder, not a file"),
    ],
)
def test_a_keras_file_that_is_missing(locate: Locate, file: str, message: str) -> None:
    place = "TMP/conf/c.yaml:1:21: error: model.keras_file: "
    assert locate(f"model: {{keras_file: {file}}}") == [place + message]
    assert locate("model: {keras_file: net.keras}") == []


def test_it_is_told_with_the_other_mistakes(locate: Locate) -> None:
    problems = locate("model: {factory: 'gs_nets:biuld'}\ndata: {factory: 'gs_no:x'}\nseed: -1")
    assert [problem.split(": error: ")[1].split(":")[0] for problem in problems] == [
        "model.factory",
        "data.factory",
        "seed",
    ]
    for text in ("", "[]", "model: 3", "model: {factory: 3}", "model: {keras_file: 3}\ndata: 3"):
        assert all("there is no module" not in problem for problem in locate(text))
