"""A check as Markdown: for GitHub's step summary or a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.gate.check import Check, Checked, Status
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import ReportOptions

LARGEST = 65_000
"""Bytes; a comment holds 65,536 characters, a step summary 1 MiB: one text serves both."""

SPECIAL_CHARACTERS = frozenset("\\`*_[]<>|~$&#")
"""Characters with a meaning in Markdown, HTML or a table."""

SIGNS = {
    Status.PASSED: "✅",
    Status.FAILED: "❌",
    Status.INCONCLUSIVE: "❔",
    Status.SKIPPED: "➖",
}
OUTCOME_SIGNS = {"passed": "✅", "failed": "❌", "inconclusive": "❔", "not measured": "⚠️"}


@CHECK_FORMS.register("markdown")
def markdown(checked: Sequence[Checked], options: ReportOptions) -> str:
    """Render a table of the configs, then each config that did not pass."""
    del options
    lines = ["## gradscope", "", check_text.outcome_counts(checked), ""]
    lines += ["| | config | result |", "|---|---|---|"]
    lines += [
        f"| {OUTCOME_SIGNS[config.outcome]} | {_cell(config.source)} | {_cell(config.headline)} |"
        for config in checked
    ]
    for config in checked:
        if config.exit_code:
            lines += ["", *_config(config)]
    text = "\n".join(lines) + "\n"
    if len(text.encode()) > LARGEST:
        kept = text.encode()[:LARGEST].decode(errors="ignore").rpartition("\n")[0]
        text = f"{kept}\n\nThe rest is too long to be shown here.\n"
    return text


def _config(config: Checked) -> Iterator[str]:
    yield f"### {_cell(config.name)}"
    yield ""
    if config.checks:
        yield "| | check | answer | rests on |"
        yield "|---|---|---|---|"
    else:
        yield _paragraph(config.headline)
    for check in config.checks:
        cells = (check.name, check_text.answer(check), check.evidence)
        yield f"| {SIGNS[check.status]} | {' | '.join(map(_cell, cells))} |"
    for check in config.checks:
        if check.differences:
            yield from _table(check)
    if config.changes:
        yield ""
        yield "Changed since the baseline:"
        yield ""
        for change in config.changes:
            yield f"- {_paragraph(change)}"
    if remedy := check_text.config_remedy(config):
        yield ""
        yield f"Try: {_cell(remedy)}"


def _table(check: Check) -> Iterator[str]:
    yield ""
    yield f"{_cell(check.name)}:"
    yield ""
    yield f"| {' | '.join(check_text.difference_headings(check))} |"
    yield "|---|---|--:|--:|---|---|"
    for row in check_text.difference_rows(check):
        yield f"| {' | '.join(map(_cell, row))} |"
    rest = check_text.differences_left_out(check)
    if rest:
        yield ""
        yield rest


def _cell(text: str) -> str:
    """Text on one line in which Markdown, HTML and the table interpret nothing."""
    shown = printable(text.replace("\n", " "))
    safe = "".join(f"&#{ord(c)};" if c in SPECIAL_CHARACTERS else c for c in shown)
    # A zero-width space after @ prevents a mention: a layer's name notifies nobody.
    return safe.replace("@", "@&#8203;")


def _paragraph(text: str) -> str:
    """The same at the start of a line: its first character starts no list and no heading."""
    first = text[:1]
    return _cell(text) if first.isalpha() else f"&#{ord(first or ' ')};{_cell(text[1:])}"
