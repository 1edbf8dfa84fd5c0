"""The CI of this repository and the files of docs/ci: their form, and their commands run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from scripts.lowest_versions import constraints
from tests.cli.running import environment

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "ci"
TINY = """\
model: {{depth: 2, width: 8}}
data: {{name: gaussian, samples: 64, features: 8, classes: 3}}
training: {{steps: {steps}}}
"""
# GitHub's metadata syntax for composite actions.
ACTION_KEYS = {"name", "author", "description", "inputs", "outputs", "runs", "branding"}
INPUT_KEYS = {"description", "required", "default", "deprecationMessage"}
RUN_KEYS = {"name", "id", "if", "env", "run", "shell", "working-directory", "continue-on-error"}
USES_KEYS = {"name", "id", "if", "env", "uses", "with", "continue-on-error"}


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


ACTION = parsed(FOLDER / "action.yml")
[HOOK] = parsed(ROOT / ".pre-commit-hooks.yaml")


def test_the_page_names_every_file() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = {(FOLDER / target).resolve() for target in re.findall(r"\]\(([^)#]+)\)", page)}
    files = {path.resolve() for path in FOLDER.iterdir()} - {(FOLDER / "README.md").resolve()}
    assert files | {(ROOT / ".pre-commit-hooks.yaml").resolve()} <= named
    assert all(path.exists() for path in named)


def test_the_action_has_github_s_form() -> None:
    assert set(ACTION) <= ACTION_KEYS
    assert ACTION["runs"].keys() == {"using", "steps"}
    assert ACTION["runs"]["using"] == "composite"
    for told in ACTION["inputs"].values():
        assert set(told) <= INPUT_KEYS
        assert isinstance(told["required"], bool)
        assert told["required"] or isinstance(told["default"], str)
    for step in ACTION["runs"]["steps"]:
        assert set(step) <= (RUN_KEYS if "run" in step else USES_KEYS), step["name"]
        assert ("shell" in step) == ("run" in step)


def test_the_action_reads_inputs_that_it_has_and_no_secret() -> None:
    text = (FOLDER / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == set(ACTION["inputs"])
    assert "secrets." not in text
    for step in ACTION["runs"]["steps"]:  # an input in a script would be run as code
        assert "${{" not in step.get("run", "")


def test_the_workflow_calls_the_action_with_its_inputs() -> None:
    workflow = parsed(FOLDER / "github-workflow.yml")
    assert set(workflow) == {"name", True, "permissions", "jobs"}  # YAML 1.1 reads on as true
    required = {name for name, told in ACTION["inputs"].items() if told["required"]}
    for job in workflow["jobs"].values():
        [call] = [step for step in job["steps"] if "docs/ci" in step["uses"]]
        assert required <= set(call["with"]) <= set(ACTION["inputs"])
        assert job["timeout-minutes"] > 0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with two configs, and gradscope as an installed command."""
    (tmp_path / "configs").mkdir()
    for number, name in enumerate(("first", "second")):
        config = TINY.format(steps=60 + number)
        (tmp_path / "configs" / f"{name}.yaml").write_text(config, encoding="utf-8")
    command = tmp_path / "bin" / "gradscope"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gradscope "$@"\n')
    command.chmod(0o755)
    return tmp_path


def ran(
    folder: Path, shell: list[str], script: str, stand_in: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A script of a CI in `folder`, as its runner starts it; `stand_in` is TensorFlow's."""
    env = environment(folder, stand_in=stand_in, **variables)
    env["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [*shell, script], cwd=folder, env=env, capture_output=True, encoding="utf-8", check=False
    )


BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]


def checked_by_the_action(
    folder: Path, configs: str, args: str, stand_in: str = "well"
) -> subprocess.CompletedProcess[str]:
    [step] = [step for step in ACTION["runs"]["steps"] if step["name"] == "Check"]
    told = {"CONFIGS": configs, "ARGS": args}
    assert set(step["env"]) == set(told)
    return ran(folder, BASH, step["run"], stand_in, **told)


@pytest.mark.tensorflow
def test_the_action_checks_and_leaves_its_results(checkout: Path) -> None:
    done = checked_by_the_action(checkout, "configs/*.yaml", "--at-init --quiet")
    assert done.returncode == 0, done.stderr
    results = checkout / "gradscope-results"
    suites = ElementTree.parse(results / "junit.xml").getroot()
    assert len(suites.findall("testsuite")) == 2
    assert json.loads((results / "gradscope.sarif").read_text())["version"] == "2.1.0"
    assert json.loads((results / "check.json").read_text())["exit_code"] == 0
    assert len(list((results / "reports").glob("*/result.json"))) == 2
    again = checked_by_the_action(checkout, "configs/first.yaml", "--at-init --quiet")
    assert again.returncode == 0, again.stderr


@pytest.mark.tensorflow
def test_the_action_ends_with_the_gate_s_code(checkout: Path) -> None:
    sick = checked_by_the_action(checkout, "configs/first.yaml", "--quiet", "vanish")
    assert sick.returncode == 1, sick.stderr
    assert "GS101" in (checkout / "gradscope-results" / "junit.xml").read_text()
    missing = checked_by_the_action(checkout, "configs/none-*.yaml", "")
    assert missing.returncode == 2
    assert "no such file" in missing.stderr


def test_an_input_is_no_code(checkout: Path) -> None:
    """The inputs arrive at the command as words, whatever a shell would make of them."""
    (checkout / "bin" / "gradscope").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >"$0.words"\n')
    done = checked_by_the_action(checkout, "$(touch a)", "--quiet $(touch b) ; touch c")
    assert done.returncode == 0, done.stderr
    words = (checkout / "bin" / "gradscope.words").read_text().split("\n")
    assert {"$(touch", "a)", "--quiet", "b)", ";", "c"} <= set(words)
    assert not [name for name in "abc" if (checkout / name).exists()]


@pytest.mark.tensorflow
def test_the_script_of_gitlab(checkout: Path) -> None:
    [job] = parsed(FOLDER / "gitlab-ci.yml").values()
    assert set(job) == {"image", "variables", "cache", "before_script", "script", "artifacts"}
    script = "\n".join(job["script"])
    configs = job["variables"]["CONFIGS"]
    done = ran(checkout, ["sh", "-ec"], script, "well", CONFIGS=configs)
    assert done.returncode == 0, done.stderr
    assert (checkout / job["artifacts"]["reports"]["junit"]).is_file()
    sick = ran(checkout, ["sh", "-ec"], script, "vanish", CONFIGS=configs)
    assert sick.returncode == 1, sick.stderr


def test_what_the_ci_installs_is_this_project() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [job] = parsed(FOLDER / "gitlab-ci.yml").values()
    assert f'name = "{job["variables"]["REQUIREMENT"]}"' in pyproject
    [install] = [x for x in ACTION["runs"]["steps"] if x["name"] == "Install gradscope"]
    assert "format('{0}/../..', github.action_path)" in install["env"]["REQUIREMENT"]
    assert (FOLDER / ".." / ".." / "pyproject.toml").is_file()


def test_the_hook_validates_configs(checkout: Path) -> None:
    assert set(HOOK) <= {"id", "name", "description", "entry", "language", "types", "files"}
    assert re.search(HOOK["files"], "configs/first.yaml")
    assert not re.search(HOOK["files"], ".github/workflows/ci.yaml")
    names = "configs/first.yaml configs/second.yaml"
    (checkout / "configs" / "second.yaml").write_text("model: {depht: 3}\n")
    done = ran(checkout, ["sh", "-ec"], f"{HOOK['entry']} {names}", "")
    assert done.returncode == 2
    assert "configs/first.yaml: ok" in done.stdout
    assert "first" not in done.stderr
    assert "configs/second.yaml:1:9: error: model.depht" in done.stderr


PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def dry_run(*arguments: str) -> str:
    """The commands that make would run, whatever the make runs that started these tests."""
    return subprocess.run(
        ["make", "--dry-run", "--always-make", *arguments],
        cwd=ROOT,
        env=environment(ROOT),  # without MAKEFLAGS, which hands variables to a make inside
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout


def test_ci_leaves_the_developer_s_environment(tmp_path: Path) -> None:
    """`.ci/run` with the real Makefile, of which only `clean` is carried out."""
    for name in (".ci/run", "Makefile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in (".venv", ".ci/.venv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "installed").touch()
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text(
        '#!/bin/sh\necho "$@" >>calls\n'
        f'for word; do [ "$word" = clean ] && exec {shutil.which("make")} "$@"; done; exit 0\n'
    )
    make.chmod(0o755)
    done = ran(tmp_path, ["bash"], ".ci/run", "", CI="true")
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    goals = ("clean", "check", "gate", "site", "test")
    assert calls == [f"VENV=.ci/.venv {goal}" for goal in goals]
    assert (tmp_path / ".venv" / "installed").exists()
    assert not (tmp_path / ".ci" / ".venv").exists(), "the environment is fresh"


def test_the_makefile_uses_one_environment() -> None:
    goals = ("clean", "demo", "check", "gate", "test", "test-fast", "baselines", "reports")
    commands = dry_run("VENV=elsewhere", *goals, "bench", "bench-peers")
    assert "elsewhere/bin/python -m pytest" in commands
    assert ".venv" not in commands


def test_pip_is_quiet_where_tests_run_and_shows_its_progress_in_the_demo() -> None:
    for goal, quiet in (("demo", False), ("test", True), ("check", True)):
        [install] = [line for line in dry_run(goal).splitlines() if "pip install" in line]
        assert ("--quiet" in install) == quiet, goal


def test_the_interpreter_can_be_chosen() -> None:
    assert "for python in python3.12;" in dry_run("PYTHON=python3.12", "test")


def test_make_test_ends_with_the_summary_and_make_coverage_measures_branches() -> None:
    assert dry_run("test").splitlines()[-1].strip().endswith("pytest -n 2 --dist loadfile")
    assert "COVERAGE='--long -p pytest_cov --cov=gradscope' test" in dry_run("coverage")
    assert PYPROJECT["tool"]["coverage"]["run"] == {"source": ["gradscope"], "branch": True}


def test_the_lowest_versions_are_those_of_the_project() -> None:
    lowest = constraints(PYPROJECT["project"]["dependencies"])
    assert len(lowest) == len(PYPROJECT["project"]["dependencies"])
    assert constraints(["numpy >= 2.2", "keras>=3.14,<4"]) == ["numpy==2.2", "keras==3.14"]
    with pytest.raises(ValueError, match="no lowest version in 'rich'"):
        constraints(["rich"])
    commands = dry_run("test-lowest")
    assert "scripts/lowest_versions.py > .venv-lowest/constraints.txt" in commands
    assert "--constraint .venv-lowest/constraints.txt --quiet -e '.[test]'" in commands


def test_the_workflow_of_this_repository() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "ci.yml")
    assert set(workflow) == {"name", True, "permissions", "concurrency", "jobs"}
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert set(job) <= {"strategy", "runs-on", "timeout-minutes", "steps"}
        assert job["timeout-minutes"] > 0
        for step in job["steps"]:
            assert set(step) <= (RUN_KEYS if "run" in step else USES_KEYS)
            assert "${{" not in step.get("run", "")
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["system"]} == {"ubuntu", "macos"}
    supported = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PYPROJECT["project"]["requires-python"])
    assert supported is not None
    lowest, limit = map(int, supported.groups())
    assert matrix["python"] == [f"3.{minor}" for minor in range(lowest, limit)]
    [run] = [step for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    assert run == {"run": "bash .ci/run", "env": {"PYTHON": "python${{ matrix.python }}"}}
    oldest = workflow["jobs"]["lowest-versions"]["steps"]
    assert oldest[1]["with"]["python-version"] == matrix["python"][0]
    assert oldest[-1] == {"run": "make test-lowest"}
    assert workflow["jobs"]["long-tests"]["steps"][-1] == {"run": "make test-long"}
    assert dry_run("test-long").strip().endswith("-m long --long")


def test_the_hooks_of_this_repository_are_the_static_checks() -> None:
    [source] = parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    assert source["repo"] == "local"
    keys = {"id", "name", "entry", "language", "types", "pass_filenames"}
    assert all(set(hook) <= keys and hook["language"] == "system" for hook in source["hooks"])
    checks = re.findall(r"^\.venv/bin/.*$", dry_run("VENV=.venv", "check"), re.MULTILINE)
    commands = [check.split()[:2] for check in checks if "bin/python" not in check]
    assert [hook["entry"].split()[:2] for hook in source["hooks"]] == commands


def test_types_are_published() -> None:
    assert (ROOT / "gradscope" / "py.typed").is_file()
    assert PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["gradscope"]}


def test_changes_are_filed_under_a_kind() -> None:
    """A file that towncrier does not recognize would be left out of the changelog."""
    kinds = {kind["directory"] for kind in PYPROJECT["tool"]["towncrier"]["type"]}
    names = {path.name for path in (ROOT / "changelog.d").iterdir()} - {"README.md"}
    assert not [name for name in names if not re.fullmatch(r"\+[\w-]+\.\w+\.md", name)]
    assert {name.split(".")[1] for name in names} <= kinds
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog.count(PYPROJECT["tool"]["towncrier"]["start_string"]) == 1
