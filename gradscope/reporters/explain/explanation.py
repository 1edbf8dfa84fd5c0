"""The wording of `gradscope explain`: a detector, or the list of all."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from gradscope.analyzer import explanation
from gradscope.analyzer.explanation import Explanation

WIDTH = 80

EXAMPLES = "finding_examples.json"
"""What each detector says of a network that has its fault; scripts/make_finding_examples.py."""


def list_detectors() -> str:
    """One line per detector: code, name and what it tells."""
    detectors = explanation.explanations()
    width = max(len(detector.name) for detector in detectors)
    return "\n".join(
        f"{detector.code}  {detector.name:<{width}}  {detector.summary}" for detector in detectors
    )


def explanation_text(detector: Explanation) -> str:
    """The whole explanation, wrapped; the thresholds last, as the config takes them."""
    heading = f"{detector.code} {detector.name}"
    parts = [heading, textwrap.fill(detector.summary, WIDTH)]
    for title, text in detector.sections:
        if title == "What to do":
            parts.append(_section("What it looks like", _examples()[detector.name]))
        parts.append(_section(title, text))
    parts.append("\n".join(_thresholds(detector)))
    return "\n\n".join(parts)


def _section(title: str, text: str) -> str:
    return f"{title}:\n{textwrap.indent(textwrap.fill(text, WIDTH - 2), '  ')}"


@cache
def _examples() -> dict[str, str]:
    text = files("gradscope.reporters.explain").joinpath(EXAMPLES).read_text("utf-8")
    examples: dict[str, str] = json.loads(text)
    return examples


def _thresholds(detector: Explanation) -> Iterator[str]:
    yield f"Thresholds, as YAML under detectors.{detector.name}:"
    for threshold in detector.thresholds:
        yield f"  {threshold.key}: {threshold.default:g}"
        yield textwrap.indent(textwrap.fill(threshold.meaning, WIDTH - 6), " " * 6)
