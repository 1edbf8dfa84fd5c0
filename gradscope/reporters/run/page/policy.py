"""The Content-Security-Policy of a page: its own style and script by their hashes, nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files


@cache
def style() -> str:
    """The stylesheet of every page."""
    return files(__package__).joinpath("style.css").read_text(encoding="utf-8")


@cache
def script() -> str:
    """The script of every page."""
    return files(__package__).joinpath("page.js").read_text(encoding="utf-8")


@cache
def content_security_policy() -> str:
    """The policy for a page whose style and script elements hold `style` and `script` exactly."""
    return (
        f"default-src 'none'; style-src {_source(style())}; script-src {_source(script())}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
