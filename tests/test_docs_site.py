"""The documentation site is built without a warning, and every page of docs/ is in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def built(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    for module in ("material", "mkdocstrings_handlers.python"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install -e '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(
        [*command, "--config-file", str(config), "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = built(ROOT / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    for page in sorted((ROOT / "docs").glob("*.md")):
        name = "index.html" if page.name == "README.md" else f"{page.stem}.html"
        assert (tmp_path / "site" / name).is_file(), page.name
    api = (tmp_path / "site" / "api.html").read_text(encoding="utf-8")
    assert "Build, train and measure a network in this process" in api
    gallery = (tmp_path / "site" / "source" / "reports" / "index.html").read_text(encoding="utf-8")
    assert 'src="gallery/he_2015.svg"' in gallery
    assert (tmp_path / "site" / "source" / "reports" / "gallery" / "he_2015.svg").is_file()
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "fonts.googleapis" not in home


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "README.md").write_text("# Page\n\n[nothing](absent.md#no)\n", encoding="utf-8")
    config = tmp_path / "mkdocs.yml"
    hooks = ROOT / "scripts" / "docs_site.py"
    config.write_text(f"site_name: x\nstrict: true\ntheme: {{name: material}}\nhooks: [{hooks}]\n")
    done = built(config, tmp_path / "site")
    assert done.returncode == 1
    assert "absent.md" in done.stderr
