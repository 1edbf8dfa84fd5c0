"""The reports that the repository shows belong to its configs, and can be read today."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradscope import api
from gradscope.workflows.gallery import PAPERS

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


def test_the_gallery_shows_every_paper_and_every_row_holds() -> None:
    """`make gallery` measures them; a paper without its section was not measured."""
    text = (ROOT / "reports" / "README.md").read_text(encoding="utf-8")
    headings = [line.removeprefix("### ") for line in text.split("\n") if line.startswith("### ")]
    assert headings == [paper.title for paper in PAPERS.values()]
    assert "| **no** |" not in text
    for name, paper in PAPERS.items():
        assert f"(gallery/{name}.svg)" in text
        assert (ROOT / "reports" / "gallery" / f"{name}.svg").is_file()
        for label in paper.networks:
            assert (ROOT / "reports" / "gallery" / f"{name}.{label}.yaml").is_file()
