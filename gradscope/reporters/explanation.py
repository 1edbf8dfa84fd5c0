"""The wording of `gradscope explain`: a detector, or the list of all."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from gradscope.analyzer.explanation import Explanation

WIDTH = 96


def explanation_text(explanation: Explanation) -> str:
    """The whole explanation, wrapped; the thresholds last, as the config takes them."""
    heading = f"{explanation.code} {explanation.name}"
    parts = [heading, textwrap.fill(explanation.summary, WIDTH)]
    parts += [
        f"{title}:\n{textwrap.indent(textwrap.fill(text, WIDTH - 2), '  ')}"
        for title, text in explanation.sections
    ]
    parts.append("\n".join(_thresholds(explanation)))
    return "\n\n".join(parts)


def _thresholds(explanation: Explanation) -> Iterator[str]:
    yield f"Thresholds, as YAML under detectors.{explanation.name}:"
    for threshold in explanation.thresholds:
        yield f"  {threshold.key}: {threshold.default:g}"
        yield textwrap.indent(textwrap.fill(threshold.meaning, WIDTH - 6), " " * 6)


def list_text(explanations: Sequence[Explanation]) -> str:
    """One line per detector: code, name and what it tells."""
    width = max(len(explanation.name) for explanation in explanations)
    return "\n".join(
        f"{explanation.code}  {explanation.name:<{width}}  {explanation.summary}"
        for explanation in explanations
    )
