"""`gradscope sweep`, `merge` and `compare` as they are typed; no TensorFlow."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gradscope.cli.main import cli

CONFIG = """\
name: lines
model:
  depth: 5
  width: 20
  activation: relu
  initializer: {name: variance_scaling, scale: 1.0, mode: fan_in}
data: {name: gaussian}
sweep:
  axes:
    model.depth: [5, 20]
    model.initializer.scale: [1.0, 2.0]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lines.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_sweep_by_theory_writes_its_folder(folder: Path) -> None:
    done = typed("sweep", "lines.yaml", "--theory")
    assert done.exit_code == 0, done.output
    assert "Sweep lines: 4 members, by theory alone" in done.stdout
    assert "4/4 members" in done.stderr
    written = {path.name for path in (folder / "reports" / "lines.sweep").iterdir()}
    assert written >= {"report.html", "table.csv", "sweep.json", "heatmap.png", "heatmap.pdf"}


def test_stdout_has_the_result_only(folder: Path) -> None:
    table = typed("sweep", "lines.yaml", "--theory", "--format", "csv")
    assert len(list(csv.DictReader(table.stdout.splitlines()))) == 4
    content = typed("sweep", "lines.yaml", "--theory", "--format", "json", "--quiet")
    assert json.loads(content.stdout)["schema"] == "gradscope.sweep/1"
    assert content.stderr == ""


def test_shards_are_merged(folder: Path) -> None:
    for shard in ("1/2", "2/2"):
        name = shard.replace("/", "of")
        done = typed("sweep", "lines.yaml", "--theory", "--shard", shard, "-o", name)
        assert done.exit_code == 0, done.output
    assert typed("merge", "1of2", "-o", "half").exit_code == 4
    merged = typed("merge", "1of2", "2of2")
    assert merged.exit_code == 0, merged.output
    assert "Sweep lines: 4 members" in merged.stdout
    same = typed("compare", "reports/lines.sweep", "1of2")
    assert "2 combinations in both; 0 with another verdict" in same.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--theory", "--at-init"], "does not go with --at-init"),
        (["--theory", "--exit-code"], "does not go with --exit-code"),
        (["--theory", "--shard", "3/2"], "expected I/N"),
        (["--theory", "--shard", "9/9"], "the shard 9/9 has no members"),
        (["--engine", "slum"], "did you mean 'slurm'?"),
    ],
)
def test_requests_that_cannot_be_carried_out(
    folder: Path, arguments: list[str], words: str
) -> None:
    done = typed("sweep", "lines.yaml", *arguments)
    assert done.exit_code == 2 or done.exception is not None
    assert words in f"{done.output} {done.exception}"


def test_validate_checks_every_member(folder: Path) -> None:
    assert "lines.yaml: ok, 4 members" in typed("validate", "lines.yaml").stdout
    told = typed("validate", "lines.yaml", "-s", "sweep.axes.model.depth=[0]")
    assert told.exception is not None


def test_run_says_which_command_takes_a_sweep(folder: Path) -> None:
    done = typed("run", "lines.yaml")
    assert "use `gradscope sweep CONFIG`" in str(done.exception)
