"""The section of docs/calibration.md about the fourth part of the corpus."""

from __future__ import annotations

from collections import Counter
from typing import Any

from scripts.wide_corpus_section import is_wrong, rates_table

Row = dict[str, Any]

_HOW = """Networks and faults after public bug reports, written by somebody who did not see the
detectors. The label of each case was checked by training it with Keras alone, before gradscope
judged it, and only cases whose label was borne out are judged. The first verdict on each case is
kept, and the table holds those. `python -m benchmarks.detectors.fourth --help` has the steps:
labels, measuring, judging. A fault that was mended after a verdict changes nothing here.
"""


def fourth_section(first: Row, labels: Row) -> str:
    """Counts, rates of the first verdicts, and the wrong ones."""
    answers = Counter((row["label"], row["answer"]) for row in labels.values())
    checked = "; ".join(
        f"{label}: {answers[label, 'agrees']} borne out, {answers[label, 'contradicts']} "
        f"contradicted, {answers[label, 'undecided']} not decided"
        for label in ("healthy", "sick")
    )
    # The labels are checked apart, and before: the rows' own criterion is that of another day.
    rates = {
        name: rate for name, rate in first["rates"].items() if not name.startswith("gradscope,")
    }
    wrong = [row for row in first["cases"] if is_wrong(row)]
    lines = [
        "## The fourth part\n",
        _HOW,
        f"Labels. {checked}. Judged: {len(first['cases'])} cases.\n",
        rates_table(f"Each case as first judged (last {first['judged']})", rates),
        f"{len(wrong)} were wrong:\n",
        "| label | case | errors, in order |",
        "|---|---|---|",
    ]
    for row in wrong:
        errors = ", ".join(error["detector"] for error in row["errors"])
        name = row["name"].removeprefix("fourth, ")
        lines.append(f"| {row['label']} | {name} | {errors or row['raised'] or row['verdict']} |")
    return "\n".join(lines) + "\n"
