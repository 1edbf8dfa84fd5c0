"""A check as Markdown: for GitHub's step summary or a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.gate.checks import Check, Checked, Status
from gradscope.reporters.checks import CHECK_FORMS
from gradscope.reporters.checks.text import MOST_ROWS, count
from gradscope.reporters.numbers import number
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.sanitizing import printable

LARGEST = 900_000
"""Bytes; GitHub shows at most 1 MiB of a step summary."""

OBEYED = frozenset("\\`*_[]<>|~$@&")
"""Characters that Markdown, HTML, a table or GitHub's mentions would obey."""

SIGNS = {
    Status.PASSED: "✅",
    Status.FAILED: "❌",
    Status.INCONCLUSIVE: "❔",
    Status.SKIPPED: "➖",
}
OUTCOME_SIGNS = {"passed": "✅", "failed": "❌", "inconclusive": "❔", "not measured": "⚠️"}


@CHECK_FORMS.register("markdown")
def markdown(checked: Sequence[Checked], options: ReportOptions) -> str:
    """Render a table of the configs, then every one that is not fine."""
    del options
    lines = ["## gradscope", "", count(checked), "", "| | config | result |", "|---|---|---|"]
    lines += [
        f"| {OUTCOME_SIGNS[one.outcome]} | {_cell(one.source)} | {_cell(one.headline)} |"
        for one in checked
    ]
    for one in checked:
        if one.exit_code and one.checks:
            lines += ["", *_config(one)]
    text = "\n".join(lines) + "\n"
    if len(text.encode()) > LARGEST:
        kept = text.encode()[:LARGEST].decode(errors="ignore").rpartition("\n")[0]
        text = f"{kept}\n\nThe rest is too long to be shown here.\n"
    return text


def _config(one: Checked) -> Iterator[str]:
    yield f"### {_cell(one.name)}"
    yield ""
    yield "| | check | answer | rests on |"
    yield "|---|---|---|---|"
    for check in one.checks:
        cells = (check.name, check.sentence, check.evidence)
        yield f"| {SIGNS[check.status]} | {' | '.join(map(_cell, cells))} |"
    for check in one.checks:
        if len(check.differences) > 1:
            yield from _differences(check)
    if one.changes:
        yield ""
        yield "Changed since the baseline:"
        yield ""
        for change in one.changes:
            yield f"- {_cell(change)}"
    if one.remedy:
        yield ""
        yield _cell(one.remedy)


def _differences(check: Check) -> Iterator[str]:
    yield ""
    yield f"| {_cell(check.name)} | layer | baseline | now | change | over the seeds |"
    yield "|---|---|--:|--:|---|---|"
    for one in check.differences[:MOST_ROWS]:
        cells = (
            one.quantity,
            one.layer or "all",
            number(one.before),
            number(one.after),
            one.effect,
            one.interval,
        )
        yield f"| {' | '.join(map(_cell, cells))} |"
    left = len(check.differences) - MOST_ROWS
    if left > 0:
        yield ""
        yield f"and {left} more"


def _cell(text: str) -> str:
    """Text that neither Markdown, HTML nor the table obeys, on one line."""
    shown = printable(text.replace("\n", " "))
    return "".join(f"&#{ord(c)};" if c in OBEYED else c for c in shown)
