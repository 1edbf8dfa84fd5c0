"""Hooks of the documentation site (mkdocs.yml): links out of docs/ lead to copies in the site.

The pages of docs/ are written for GitHub, where ``../configs/quickstart.yaml`` is a file of the
repository. On the site that file stands below ``source/``; linked Markdown is a page there. A link
to a folder becomes its text. The page of the API is made from docstrings by mkdocstrings.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SOURCE = "source/"
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)

API = """# API reference

From the docstrings of what is public; [python.md](python.md) has the same by task.

::: gradscope.api

::: gradscope.integrations.keras_callback.GradientFlow

::: gradscope.integrations.watch.watch
"""


def on_files(files: Files, config: Any) -> Files:
    """Add the files of the repository that pages link to, and the page of the API."""
    files.append(File.generated(config, "api.md", content=API))
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    known = set(waiting)
    while waiting:
        page = waiting.pop()
        if not (ROOT / page).is_file():
            continue
        for target in _targets(page):
            if target in known or target.startswith("docs/"):
                continue
            known.add(target)
            source = str(ROOT / target)
            files.append(File.generated(config, SOURCE + target, abs_src_path=source))
            if target.endswith(".md"):
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point the links of a page at the site."""
    uri = page.file.src_uri
    origin = uri.removeprefix(SOURCE) if uri.startswith(SOURCE) else f"docs/{uri}"
    return _outside_blocks(markdown, lambda text: _LINK.sub(_pointed(origin, uri), text))


def _outside_blocks(markdown: str, change: Callable[[str], str]) -> str:
    """Change the text between the blocks of code."""
    parts = _FENCE.split(markdown)
    return "".join(part if i % 2 else change(part) for i, part in enumerate(parts))


def _pointed(origin: str, uri: str) -> Callable[[re.Match[str]], str]:
    def replaced(match: re.Match[str]) -> str:
        image, text, link = match.groups()
        path, _, anchor = link.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match[0]
        if not (ROOT / posixpath.dirname(origin) / unquote(path)).exists():
            return match[0]  # mkdocs says that it leads nowhere
        target = _resolved(origin, path)
        if target is None:
            return str(text)
        inside = target.startswith("docs/")
        place = target.removeprefix("docs/") if inside else SOURCE + target
        shown = posixpath.relpath(place, posixpath.dirname(uri) or ".")
        return f"{image}[{text}]({shown}{'#' + anchor if anchor else ''})"

    return replaced


def _resolved(origin: str, path: str) -> str | None:
    """The file of the repository that a link of the page `origin` means; None for a folder."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), unquote(path)))
    if (ROOT / target).is_dir():
        target = posixpath.join(target, "README.md")
    return target if (ROOT / target).is_file() else None


def _targets(page: str) -> list[str]:
    """The files of the repository that a page links to."""
    targets: list[str] = []
    text = "".join(_FENCE.split((ROOT / page).read_text(encoding="utf-8"))[::2])
    for match in _LINK.finditer(text):
        path = match[3].partition("#")[0]
        if path and "://" not in path and (target := _resolved(page, path)):
            targets.append(target)
    return targets
