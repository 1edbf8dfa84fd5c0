"""The wording of `gradscope explain`: a detector, or the list of all."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from gradscope.analyzer import explanation
from gradscope.analyzer.explanation import Explanation

WIDTH = 96


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
    parts += [
        f"{title}:\n{textwrap.indent(textwrap.fill(text, WIDTH - 2), '  ')}"
        for title, text in detector.sections
    ]
    parts.append("\n".join(_thresholds(detector)))
    return "\n\n".join(parts)


def _thresholds(detector: Explanation) -> Iterator[str]:
    yield f"Thresholds, as YAML under detectors.{detector.name}:"
    for threshold in detector.thresholds:
        yield f"  {threshold.key}: {threshold.default:g}"
        yield textwrap.indent(textwrap.fill(threshold.meaning, WIDTH - 6), " " * 6)
