"""The gallery: figures of papers, measured again by one command; a new file is a new paper."""

from __future__ import annotations

from gradscope.registry import Registry
from gradscope.workflows.gallery.paper import Paper

PAPERS: Registry[Paper] = Registry("gradscope.workflows.gallery.papers")

__all__ = ["PAPERS", "Paper"]
