"""A check as Markdown: for GitHub's step summary or a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.gate.check import Check, Checked, Status
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.layout.markdown_text import cell, fitting, paragraph
from gradscope.reporters.report import ReportOptions

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
        f"| {OUTCOME_SIGNS[config.outcome]} | {cell(config.source)} | {cell(config.headline)} |"
        for config in checked
    ]
    for config in checked:
        if config.exit_code:
            lines += ["", *_config(config)]
    return fitting("\n".join(lines) + "\n")


def _config(config: Checked) -> Iterator[str]:
    yield f"### {cell(config.name)}"
    yield ""
    if config.checks:
        yield "| | check | answer | rests on |"
        yield "|---|---|---|---|"
    else:
        yield paragraph(config.headline)
    for check in config.checks:
        cells = (check.name, check_text.answer(check), check.evidence)
        yield f"| {SIGNS[check.status]} | {' | '.join(map(cell, cells))} |"
    for check in config.checks:
        if check.differences:
            yield from _table(check)
    if config.changes:
        yield ""
        yield "Changed since the baseline:"
        yield ""
        for change in config.changes:
            yield f"- {paragraph(change)}"
    if remedy := check_text.config_remedy(config):
        yield ""
        yield f"Try: {cell(remedy)}"


def _table(check: Check) -> Iterator[str]:
    yield ""
    yield f"{cell(check.name)}:"
    yield ""
    yield f"| {' | '.join(check_text.difference_headings(check))} |"
    yield "|---|---|--:|--:|---|---|"
    for row in check_text.difference_rows(check):
        yield f"| {' | '.join(map(cell, row))} |"
    rest = check_text.differences_left_out(check)
    if rest:
        yield ""
        yield rest
