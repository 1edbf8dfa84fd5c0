"""`baseline` and `check` as a CI calls them; what the workers train is a stand-in."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gradscope.gate.baselines import baseline_file
from tests.cli.forking import refused, run
from tests.cli.running import (
    ENDLESS,
    TINY,
    Running,
    environment,
    result_in,
    strict_json,
    until,
    workers,
    write_tiny,
)

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.yaml and its baseline, which a healthy network left."""
    folder = tmp_path_factory.mktemp("kept")
    write_tiny(folder)
    done = run(folder, "baseline", "tiny.yaml", "--seeds", "4", env=healthy(folder))
    assert done.returncode == 0, done.stderr
    assert "wrote tiny.baseline.json" in done.stdout
    assert "4 seeds of 3 layers at initialisation, 4 of them trained for 5 steps" in done.stdout
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    for name in ("tiny.yaml", "tiny.baseline.json"):
        (tmp_path / name).write_bytes((kept / name).read_bytes())
    return tmp_path


def healthy(folder: Path, **extra: str) -> dict[str, str]:
    return environment(folder, stand_in="", **extra)


def sick(folder: Path, **extra: str) -> dict[str, str]:
    return environment(folder, stand_in="vanish", **extra)


def test_as_before(folder: Path) -> None:
    done = run(folder, "check", "tiny.yaml", "-q", env=healthy(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert "PASSED: tiny (tiny.yaml)" in done.stdout
    assert "every layer as in the baseline, within 0.05% of each rms" in done.stdout
    assert "baseline  tiny.baseline.json" in done.stdout
    assert result_in(folder / "reports" / "tiny.check")["exit_code"] == 0
    edited = run(folder, "check", "tiny.yaml", "-q", "-s", "seed=2", env=healthy(folder))
    assert edited.returncode != 2, "a check takes the place of an earlier one"


def test_worse_than_before(folder: Path) -> None:
    done = run(folder, "check", "tiny.yaml", "-q", "--format", "json", env=sick(folder))
    assert (done.returncode, done.stderr) == (1, "")
    told = strict_json(done.stdout)
    assert (told["exit_code"], told["verdict"]) == (1, "unhealthy")
    [config] = told["configs"]
    statuses = {check["name"]: check["status"] for check in config["checks"]}
    assert statuses["structure"] == "passed"
    assert statuses["initialisation"] == "failed"
    assert statuses["GS101 vanishing_gradient"] == "failed"
    [first, *_] = next(c for c in config["checks"] if c["name"] == "initialisation")["differences"]
    assert (first["quantity"], first["layer"]) == ("delta", "hidden_1")


def test_an_accepted_verdict_does_not_fail(folder: Path) -> None:
    (folder / "tiny.baseline.json").unlink()
    made = run(folder, "baseline", "tiny.yaml", "-q", "--seeds", "4", env=sick(folder))
    assert made.returncode == 0
    assert "accepted as it is: GS101 vanishing_gradient, in 4 of 4 seeds" in made.stdout
    done = run(folder, "check", "tiny.yaml", "-q", env=sick(folder))
    assert done.returncode == 0, done.stdout
    assert "GS101 vanishing_gradient is accepted by the baseline" in done.stdout
    without = run(folder, "check", "tiny.yaml", "-q", "--no-baseline", env=sick(folder))
    assert without.returncode == 1


def test_only_the_start(folder: Path) -> None:
    done = run(folder, "check", "tiny.yaml", "-q", "--at-init", env=healthy(folder))
    assert done.returncode == 0, done.stdout
    assert "training: skipped: not trained: --at-init" in done.stdout
    assert (folder / "reports" / "tiny.check" / "record.npz").exists()
    assert not (folder / "reports" / "tiny").exists(), "the report of a run is not replaced"
    fewer = run(folder, "check", "tiny.yaml", "-q", "--steps", "3", env=healthy(folder))
    assert "the baseline was trained for 5 steps, this run for 3" in fewer.stdout


def test_a_baseline_is_replaced_only_when_asked(folder: Path) -> None:
    before = (folder / "tiny.baseline.json").read_bytes()
    said = refused(folder, "baseline", "tiny.yaml", env=healthy(folder))
    assert "tiny.baseline.json exists" in said
    assert "--update" in said
    options = ("--update", "-q", "--seeds", "4")
    same = run(folder, "baseline", "tiny.yaml", *options, env=healthy(folder))
    assert "every layer as in the baseline" in same.stdout
    assert (folder / "tiny.baseline.json").read_bytes() == before, "the same bytes"
    changed = run(folder, "baseline", "tiny.yaml", *options, env=sick(folder))
    assert "hidden_1 is the first layer that differs" in changed.stdout
    assert "GS101 vanishing_gradient: newly accepted" in changed.stdout
    assert (folder / "tiny.baseline.json").read_bytes() != before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:-200], "does not match its checksum"),
        (lambda text: text.replace('"steps": 5', '"steps": 6'), "does not match its checksum"),
        (lambda text: text.replace("baseline/1", "baseline/9"), "version 9"),
        (lambda text: "", "damaged"),
    ],
)
def test_a_baseline_of_no_use(folder: Path, change: Any, said: str) -> None:
    path = folder / "tiny.baseline.json"
    path.write_text(change(path.read_text()))
    told = refused(folder, "check", "tiny.yaml", "-q", env=healthy(folder))
    assert said in told
    assert not (folder / "reports").exists(), "nothing was trained"


def test_a_baseline_of_something_else(folder: Path) -> None:
    other = TINY.replace("name: tiny", "name: other")
    (folder / "other.yaml").write_text(other)
    options = ("-q", "--baseline", "tiny.baseline.json")
    said = refused(folder, "check", "other.yaml", *options, env=healthy(folder))
    assert "the baseline is of 'tiny', and this config is called 'other'" in said
    assert "no such file" in refused(folder, "check", "tiny.yaml", "--baseline", "no.json")
    known = baseline_file.read(folder / "tiny.baseline.json")
    data = {**known.data, "hash": "1" * 64, "samples": 63}
    baseline_file.write(replace(known, data=data), folder / "tiny.baseline.json")
    assert "samples 63 -> 64" in refused(folder, "check", "tiny.yaml", "-q", env=healthy(folder))


def test_another_environment(folder: Path) -> None:
    known = baseline_file.read(folder / "tiny.baseline.json")
    strange = replace(known, fingerprint={**known.fingerprint, "keras": "3.14"})
    baseline_file.write(strange, folder / "tiny.baseline.json")
    done = run(folder, "check", "tiny.yaml", "-q", env=healthy(folder))
    assert done.returncode == 0
    assert "Keras: 3.14 -> 0" in done.stdout
    strict = run(folder, "check", "tiny.yaml", "-q", "--strict-environment", env=healthy(folder))
    assert strict.returncode == 4
    assert "INCONCLUSIVE" in strict.stdout


def test_budgets(folder: Path) -> None:
    (folder / "tiny.yaml").write_text(TINY + "expect: {delta_ratio: [0.5, 2], min_accuracy: 0.1}\n")
    done = run(folder, "check", "tiny.yaml", "-q", env=healthy(folder))
    assert done.returncode == 4, "the stand-in has no test set: that is not healthy"
    assert "expect.delta_ratio: 1 at initialisation, 1 in training; allowed 0.5 to 2" in done.stdout
    at_init = run(folder, "check", "tiny.yaml", "-q", "--at-init", env=sick(folder))
    assert at_init.returncode == 1
    assert "expect.delta_ratio: 1e-15 at initialisation" in at_init.stdout
    (folder / "tiny.yaml").write_text(TINY + "expect: {delta_ratio: [2, 0.5], max_loss: -1}\n")
    said = refused(folder, "check", "tiny.yaml")
    assert "tiny.yaml:6:" in said
    assert "expect.delta_ratio" in said
    assert "expect.max_loss" in said


def test_many_configs(folder: Path) -> None:
    for name in ("second", "third"):
        (folder / f"{name}.yaml").write_text(TINY.replace("name: tiny", f"name: {name}"))
    (folder / "third.yaml").write_text(
        TINY.replace("name: tiny", "name: third").replace("gaussian, ", "csv, path: few.csv, ")
        .replace("samples: 64, features: 8, classes: 3", "label: y")
    )  # fmt: skip
    (folder / "few.csv").write_text("x,z\n1,2\n")
    configs = ("tiny.yaml", "second.yaml", "third.yaml")
    env = healthy(folder)
    done = run(folder, "check", *configs, "-j", "2", "--format", "json=out.json", env=env)
    assert done.returncode == 2, done.stdout
    assert "(3 of 3)" in done.stderr
    assert "1 passed, 1 inconclusive, 1 not measured of 3 configs" in done.stdout
    assert "NOT MEASURED: third.yaml" in done.stdout
    told = strict_json((folder / "out.json").read_text())
    assert [one["exit_code"] for one in told["configs"]] == [0, 4, 2]
    assert told["exit_code"] == 2
    assert (folder / "reports" / "second.check" / "result.json").exists()
    said = refused(folder, "check", "tiny.yaml", "tiny.yaml")
    assert "both called tiny" in said
    assert "one baseline for 2" in refused(
        folder, "check", "tiny.yaml", "second.yaml", "--baseline", "x"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "xml"), "expected one of github, json"),
        (("--format", "jsn"), "did you mean 'json'?"),
        (("--format", "json="), "names no file"),
        (("--format", "json", "--format", "text"), "both go to stdout"),
        (("--format", "json=no/folder/x.json"), "cannot write no/folder/x.json"),
        (("--baseline", "x", "--no-baseline"), "leave one out"),
        (("--at-init", "--steps", "5"), "leave one out"),
    ],
)
def test_options_of_no_use(folder: Path, options: tuple[str, ...], said: str) -> None:
    assert said in refused(folder, "check", "tiny.yaml", *options)


def test_a_config_that_cannot_be_measured_leaves_its_files_too(folder: Path) -> None:
    env = environment(folder, stand_in="raise")
    done = run(folder, "check", "tiny.yaml", "-q", "--format", "junit=out.xml", env=env)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the measurement failed with RuntimeError" in done.stderr
    assert "the measurement failed with RuntimeError" in (folder / "out.xml").read_text()


def test_without_configs_those_with_a_baseline_are_checked(folder: Path) -> None:
    (folder / "configs").mkdir()
    for name in ("tiny.yaml", "tiny.baseline.json"):
        (folder / name).rename(folder / "configs" / name)
    (folder / "other.yaml").write_text("not a config")
    done = run(folder, "check", "-q", "--format", "json", env=healthy(folder))
    assert done.returncode == 0, done.stderr
    assert '"source": "configs/tiny.yaml"' in done.stdout
    (folder / "configs" / "tiny.baseline.json").unlink()
    assert "has a baseline beside it" in refused(folder, "check", env=healthy(folder))


def test_on_github(folder: Path) -> None:
    env = sick(folder, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(folder / "summary.md"))
    (folder / "summary.md").write_text("from another step\n")
    done = run(folder, "check", "tiny.yaml", "-q", "--format", "json", env=env)
    assert done.returncode == 1
    json.loads(done.stdout)
    assert "::error file=tiny.yaml,line=1,title=tiny%3A initialisation::" in done.stderr
    summary = (folder / "summary.md").read_text()
    assert summary.startswith("from another step\n## gradscope\n")
    assert "| ❌ |" in summary


def test_stopping_many(folder: Path) -> None:
    (folder / "second.yaml").write_text(TINY.replace("name: tiny", "name: second"))
    arguments = ("check", "tiny.yaml", "second.yaml", "-j", "2", "--no-baseline", *ENDLESS)
    with Running(folder, *arguments, env=healthy(folder)) as running:
        until(
            lambda: sum(parent == running.process.pid for _, parent in workers()) == 2,
            "two workers run side by side",
        )
        until(
            lambda: all(
                (folder / "reports" / f"{n}.check" / "running.log").exists()
                for n in ("tiny", "second")
            ),
            "both have begun",
        )
        assert running.signal(signal.SIGINT) < 3.0
        assert running.process.returncode == 130, running.stderr
        assert "stopped by SIGINT" in running.stderr
        assert "Traceback" not in running.stderr
        assert all(parent != running.process.pid for _, parent in workers())


def test_what_is_missing_is_said_before_anything_is_measured(folder: Path) -> None:
    (folder / "net.yaml").write_text("model: {factory: 'nowhere:build'}\n")
    (folder / "rows.yaml").write_text("model: {depth: 1}\ndata: {name: csv, path: no.csv}\n")
    for command in ("check", "baseline"):
        said = refused(folder, command, "tiny.yaml", "net.yaml", "rows.yaml")
        assert "net.yaml:1:18: error: model.factory: there is no module nowhere" in said
        assert "no.csv" in said
    assert not (folder / "reports").exists()
    (folder / "second.yaml").write_text(TINY.replace("name: tiny", "name: second"))
    said = refused(folder, "baseline", "second.yaml", "tiny.yaml")
    assert "tiny.baseline.json exists" in said
    assert not (folder / "second.baseline.json").exists()


def test_a_mistake_in_one_config_is_told_to_the_ci(folder: Path) -> None:
    """Nothing is measured, and the CI's files and annotations say why."""
    (folder / "bad.yaml").write_text("model: {depht: 3}\n")
    env = environment(folder, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(folder / "summary.md"))
    done = run(folder, "check", "tiny.yaml", "bad.yaml", "--format", "junit=j.xml", env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert "::error file=bad.yaml,line=1,title=bad%3A not measured::bad.yaml:1:1:" in done.stderr
    assert "bad.yaml:1:9: error: model.depht" in (folder / "summary.md").read_text()
    [good, bad] = ElementTree.parse(folder / "j.xml").getroot().iter("error")
    assert "mistakes in another config" in good.attrib["message"]
    assert "model.depht" in bad.attrib["message"]
    assert not (folder / "reports").exists()
