"""The reports that the repository shows belong to its configs, and can be read today."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradscope import api

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"


@pytest.mark.parametrize("name", ["quickstart", "notebook"])
def test_a_committed_report_is_of_its_config(name: str) -> None:
    """`make reports` measures them again where a config or the code has changed."""
    record = api.load_record(EXAMPLES / name)
    config = api.load_config(ROOT / "configs" / f"{name}.yaml")
    assert record.environment.config_hash == config.hash
    assert {path.name for path in (EXAMPLES / name).iterdir()} >= {
        "depth_profile.png",
        "record.npz",
        "report.html",
        "result.json",
    }
