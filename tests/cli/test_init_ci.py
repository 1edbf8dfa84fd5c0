"""`gradscope init --ci`: the files of a gate, which then works where it is meant to."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gradscope.errors import BadRequest
from gradscope.reporters.ci_files import DISTRIBUTION, Ci, GateJob, ci_text
from gradscope.workflows.new_ci_file import plan_ci_file
from tests.cli.running import ROOT, environment, run

TRAIN = """\
import keras
import numpy as np


def build(activation="relu"):
    layers = [keras.layers.Dense(16, activation, kernel_initializer="he_normal") for _ in range(3)]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


def data():
    x = np.random.default_rng(1).normal(size=(400, 8)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64")
"""
KNOWN_KEYS = {"name", True, "permissions", "jobs"}  # YAML 1.1 reads `on` as true


def steps_of(ci: Ci, text: str) -> list[str]:
    """The commands of the job in a file, but pip's."""
    tree: Any = yaml.safe_load(text)
    if ci is Ci.GITHUB:
        assert set(tree) == KNOWN_KEYS
        lines = [step["run"] for step in tree["jobs"]["gradients"]["steps"] if "run" in step]
    else:
        lines = tree["gradients"]["script"]
    return [line for line in lines if not line.startswith("python -m pip")]


def commands(ci: Ci, **job: Any) -> list[str]:
    return steps_of(ci, ci_text(ci, GateJob(**job)))


@pytest.mark.parametrize("ci", Ci)
def test_the_job_installs_and_checks(ci: Ci) -> None:
    text = ci_text(ci, GateJob("net.yaml", install=("-r", "requirements.txt")))
    assert "pip install --quiet --disable-pip-version-check -r requirements.txt" in text
    assert text.index("requirements.txt") < text.index('"$GRADSCOPE"')
    assert f"GRADSCOPE: {DISTRIBUTION} " in text
    assert f'name = "{DISTRIBUTION}"' in (ROOT / "pyproject.toml").read_text()
    [check] = commands(ci, config="net.yaml")
    assert check.startswith("gradscope check net.yaml ")


def test_names_that_a_shell_or_yaml_would_take_apart() -> None:
    for name in ("my net's.yaml", "a: b.yaml", "#1.yaml", "$(touch x).yaml", "1.yaml"):
        for ci in Ci:
            [*_, check] = commands(ci, config=name, folder="sub dir")
            assert shlex.split(check)[2] == name
    text = ci_text(Ci.GITHUB, GateJob("a.yaml", "sub dir"))
    job = yaml.safe_load(text)["jobs"]["gradients"]
    assert job["defaults"]["run"]["working-directory"] == "sub dir"
    upload = job["steps"][-1]["with"]["path"].split("\n")
    assert upload[0] == "sub dir/gradscope-results"
    assert commands(Ci.GITLAB, config="a.yaml", folder="sub dir")[0] == "cd 'sub dir'"


def test_where_the_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(inner)
    github = plan_ci_file(Ci.GITHUB, Path("net.yaml"))
    assert github.path == Path("../.github/workflows/gradients.yml")
    assert "working-directory: inner" in github.text
    assert "pip-version-check ..'" in github.text or "pip-version-check .." in github.text
    (inner / "requirements.txt").touch()
    assert "-r requirements.txt" in plan_ci_file(Ci.GITHUB, Path("net.yaml")).text
    github.write()
    with pytest.raises(BadRequest, match=r"gradients\.yml exists"):
        plan_ci_file(Ci.GITHUB, Path("other.yaml"))
    assert plan_ci_file(Ci.GITHUB, Path("other.yaml"), replace_file=True).path == github.path
    gitlab = plan_ci_file(Ci.GITLAB, Path("net.yaml"))
    assert (gitlab.path, gitlab.include) == (Path("../.gitlab-ci.yml"), False)
    (tmp_path / ".gitlab-ci.yml").write_text("build: {script: [make]}\n")
    beside = plan_ci_file(Ci.GITLAB, Path("net.yaml"))
    assert (beside.path, beside.include) == (Path("../gradients.gitlab-ci.yml"), True)


@pytest.mark.tensorflow
def test_a_second_call_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    """With a stand-in for TensorFlow in the worker."""
    env = environment(tmp_path, stand_in="")
    options = ("--depth", "2", "--width", "8", "--data", "gaussian", "--ci", "github")
    first = run(tmp_path, "init", "net.yaml", *options, env=env)
    assert first.returncode == 0, first.stderr
    for file in ("net.yaml", "net.baseline.json", ".github/workflows/gradients.yml"):
        assert f"wrote {file}" in first.stdout
    assert "git add net.yaml net.baseline.json .github/workflows/gradients.yml" in first.stdout
    before = (tmp_path / "net.baseline.json").read_bytes()
    for arguments in (("net.yaml", *options), ("net.yaml", "--ci", "gitlab")):
        again = run(tmp_path, "init", *arguments, env=env)
        assert again.returncode == 0, again.stderr
        assert "kept net.yaml as it is\nkept net.baseline.json as it is\n" in again.stdout
    assert (tmp_path / ".gitlab-ci.yml").exists()
    assert (tmp_path / "net.baseline.json").read_bytes() == before
    other = run(tmp_path, "init", "net.yaml", "--depth", "9", "--ci", "github", env=env)
    assert (other.returncode, other.stdout) == (2, "")
    assert "net.yaml exists" in other.stderr


@pytest.mark.tensorflow
@pytest.mark.long("a baseline and two checks, three minutes")
def test_the_gate_around_a_factory_works_in_a_clone(tmp_path: Path) -> None:
    """All that is written is committed; in a clone the jobs pass, and fail after a bad change."""
    work, clone = tmp_path / "work", tmp_path / "clone"
    work.mkdir()
    (work / "train.py").write_text(TRAIN)
    command = tmp_path / "bin" / "gradscope"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gradscope "$@"\n')
    command.chmod(0o755)
    env = environment(tmp_path, HOME=str(tmp_path), TF_CPP_MIN_LOG_LEVEL="3")
    env["PATH"] = f"{command.parent}{os.pathsep}{env['PATH']}"

    def sh(line: str, folder: Path = work) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-ec", line], cwd=folder, env=env, capture_output=True, text=True, check=False
        )

    identity = "-c user.name=a -c user.email=a@b.c"
    assert sh("git init -q .").returncode == 0
    unnamed = sh("gradscope init train:build --ci github")
    assert unnamed.returncode == 2
    assert "no --data was named, so the model got fashion_mini" in unnamed.stderr
    assert not (work / "train.yaml").exists(), "the next command would be refused"
    written = sh("gradscope init train:build --data train:data --ci github --ci gitlab")
    assert written.returncode == 0, written.stderr
    add = next(line for line in written.stdout.splitlines() if "git add" in line)
    assert sh(f"{add} train.py; git {identity} commit -qm gate").returncode == 0
    assert sh("git clone -q work clone", tmp_path).returncode == 0
    assert not sh("git status --porcelain", clone).stdout
    texts = {
        Ci.GITHUB: (clone / ".github" / "workflows" / "gradients.yml").read_text(),
        Ci.GITLAB: (clone / ".gitlab-ci.yml").read_text(),
    }
    [github], [gitlab] = (steps_of(ci, text) for ci, text in texts.items())
    assert github == gitlab
    checked = sh(github, clone)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "PASSED" in checked.stdout
    assert (clone / "gradscope-results" / "report.html").exists()
    (clone / "train.py").write_text(TRAIN.replace('"relu"', '"sigmoid"'))
    worse = sh(f"{github} --at-init", clone)
    assert worse.returncode == 1, worse.stdout + worse.stderr
