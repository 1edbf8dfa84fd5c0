"""`export` and `compare` refuse an output that is one of the records they read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gradscope.cli.main import cli
from gradscope.errors import BadRequest
from gradscope.reporters.run import folder
from gradscope.workflows.analysis import load_record
from tests.reporters import fixtures


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "a", "-o", "a/record.npz"),
        ("export", "a", "--format", "parquet", "-o", "b/../a/record.npz"),
        ("compare", "a", "b", "-o", "b/record.npz"),
    ],
)
def test_a_record_is_not_replaced(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        folder.write_record(fixtures.healthy().record, Path(name))
    done = CliRunner().invoke(cli, arguments)
    assert isinstance(done.exception, BadRequest)
    assert "which this command reads" in str(done.exception)
    assert [load_record(name).outcome.status for name in ("a", "b")] == ["complete"] * 2


def test_two_outputs_are_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        folder.write_record(fixtures.healthy().record, Path(name))
    done = CliRunner().invoke(cli, ["compare", "a", "b", "-o", "x.png", "--plot", "x.png"])
    assert isinstance(done.exception, BadRequest)
    assert "two options" in str(done.exception)
    assert CliRunner().invoke(cli, ["export", "a", "-o", "x.csv"]).exit_code == 0
    assert Path("x.csv").stat().st_size
