"""Write docs/detectors.md from the detectors' docstrings and signatures.

Run it from the repository: ``python scripts/make_detectors_page.py``. A test compares the committed
page with `page()`.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from gradscope.analyzer.explanation import Explanation, explanations

PAGE = Path(__file__).parents[1] / "docs" / "detectors.md"

FAMILIES = {
    "1": "GS1xx: gradients",
    "2": "GS2xx: activations",
    "3": "GS3xx: normalization",
    "4": "GS4xx: initialisation",
    "5": "GS5xx: numerics",
    "6": "GS6xx: learning",
}

_HEAD = """# Detectors

Written by `scripts/make_detectors_page.py` from the same texts that `gradscope explain` shows.

Symbols and words: [notation.md](notation.md).

A detector reads the record of a run. Its answer is healthy, finding, or skipped with the reason:
what was not measured is not called healthy. Its thresholds are keys under `detectors.<name>` in the
config. `detectors: {ignore: [{code: GS301, reason: "..."}]}` ignores one, with a reason. When
several detectors find something, causes come before consequences, and findings at initialisation
before those of training.
"""


def page() -> str:
    """The whole page, detectors by code."""
    parts = [_HEAD]
    for family, members in groupby(explanations(), key=lambda explanation: explanation.code[2]):
        parts.append(f"## {FAMILIES[family]}\n")
        parts += [_section(explanation) for explanation in members]
    return "\n".join(parts)


def _section(explanation: Explanation) -> str:
    paragraphs = [f"*{title}:* {text}" for title, text in explanation.sections]
    rows = [
        f"| `{threshold.key}` | {threshold.default:g} | {threshold.meaning} |"
        for threshold in explanation.thresholds
    ]
    table = "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])
    heading = f"### {explanation.code} {explanation.name}"
    return "\n\n".join([heading, explanation.summary, *paragraphs, table]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
