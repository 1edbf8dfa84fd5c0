"""Which configs `gradscope check` finds where none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradscope.errors import BadRequest
from gradscope.workflows.check import configs_with_baseline


def test_configs_are_found_beside_their_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadRequest, match="no config is named"):
        configs_with_baseline()
    (tmp_path / "configs").mkdir()
    for name in ("net.yaml", "net.baseline.json", "alone.yaml", "configs/deep.yml"):
        (tmp_path / name).touch()
    (tmp_path / "configs" / "deep.baseline.json").touch()
    assert configs_with_baseline() == ("configs/deep.yml", "net.yaml")
