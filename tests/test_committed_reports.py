"""The reports that the repository shows belong to its configs, and can be read today."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

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


@pytest.mark.parametrize("name", PAPERS)
def test_the_kept_figures_of_a_paper_hold_for_its_networks_of_today(name: str) -> None:
    """`make gallery` wrote them, the configs beside them too: those have to be today's."""
    rows = re.findall(r"(?m)^\|.*\| (?:yes|\*\*no\*\*) \|$", _section(name))
    assert rows
    for row in rows:
        measured, low, high = _figures(row)
        # A figure of three digits stands for half a unit of its last one to either side.
        assert low * 0.995 <= measured <= high * 1.005, row
    for label, config in PAPERS[name].networks.items():
        kept = ROOT / "reports" / "gallery" / f"{name}.{label}.yaml"
        assert yaml.safe_load(kept.read_text("utf-8")) == json.loads(json.dumps(config)), kept.name


def _section(name: str) -> str:
    text = (ROOT / "reports" / "README.md").read_text(encoding="utf-8")
    return text.partition(f"### {PAPERS[name].title}\n")[2].partition("\n### ")[0]


def accepted(name: str) -> list[tuple[float, float]]:
    """What the table of a paper accepts, by row."""
    rows = re.findall(r"(?m)^\|.*\| yes \|$", _section(name))
    return [(low, high) for _, low, high in map(_figures, rows)]


def _figures(row: str) -> tuple[float, float, float]:
    """Measured, and both ends of what is accepted."""
    *_, measured, limits, _ = [cell.strip().replace(",", "") for cell in row.strip("|").split("|")]
    ends = limits.partition(":")[0].removeprefix("exactly ")
    low, _, high = ends.partition(" to ")
    return float(measured), float(low), float(high or low)
