"""The report as Markdown: for a comment on a pull request, an issue or a step summary.

What, why, where and what to do stand open; layers and checks are folded. Nothing of the user's is
interpreted, and the text fits into a comment of GitHub's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.message_text import counted
from gradscope.record import DiagnosisState, Verdict
from gradscope.reporters.layout.markdown_text import cell, fitting, paragraph
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS, summary
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.answer.advice import advice_of
from gradscope.reporters.run.tables import layer_table as layers
from gradscope.reporters.run.tables.folding import Fold, fold

_SIGNS = {
    DiagnosisState.HEALTHY: "✅",
    DiagnosisState.WARNING: "⚠️",
    DiagnosisState.UNHEALTHY: "❌",
    DiagnosisState.INCONCLUSIVE: "❔",
}
_SHOWN = ("dead_fraction", "update_ratio")
"""The figures beside signal and gradient: what is too much for a comment is in the page."""


@REPORTERS.register("markdown")
def markdown(report: Report, options: ReportOptions) -> str:
    """Render the answer, and under it the layers and the checks, folded."""
    record, state = report.record, report.diagnosis.verdict
    facts = ", ".join(filter(None, [lead.steps_text(record), lead.accuracy_text(record)]))
    lines = [
        f"## {_SIGNS[state]} gradscope: {cell(record.name)} is {state}",
        "",
        f"**{cell(lead.what(report))}** {cell(facts)}.",
        "",
    ]
    if not record.outcome.complete:
        lines += [paragraph(summary.warning(report)), ""]
    lines += [f"- {line}" for line in _answers(report)]
    lines += _try(report, options)
    lines += ["", *_folded("Layers", counted(len(record.layers), "layer"), _layers(report))]
    lines += ["", *_folded("Checks", lead.count_of_checks(report), _checks(report))]
    lines += ["", paragraph(summary.evidence(record))]
    return fitting("\n".join(lines) + "\n")


def _answers(report: Report) -> Iterator[str]:
    """Why and where, and which other findings there are."""
    finding = lead.lead_finding(report)
    if reason := lead.why(report):
        yield f"**Why:** {cell(reason)}"
    if finding is not None:
        yield f"**Where:** {cell(summary.layers(finding.layers))}"
    for label, verdicts in (
        ("Follows from it", lead.following(report)),
        ("Beside it", lead.others(report)),
    ):
        if verdicts:
            yield f"**{label}:** {cell(_names(verdicts))}"


def _names(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(lead.short_name(verdict) for verdict in verdicts)


def _try(report: Report, options: ReportOptions) -> Iterator[str]:
    advice = advice_of(report, options)
    if advice is None:
        return
    yield f"- **Try:** {cell(advice.text)}"
    for command in advice.commands:
        text = printable(" ".join(command))
        # Longer than every run of backticks in the command, so that none ends the block.
        fence = "`" * max([3, *(len(run) + 1 for run in _backticks(text))])
        yield from ("", f"{fence}sh", text, fence)


def _backticks(text: str) -> list[str]:
    return "".join(c if c == "`" else " " for c in text).split()


def _folded(title: str, count: str, lines: Iterator[str]) -> Iterator[str]:
    yield f"<details><summary>{title}: {cell(count)}</summary>"
    yield ""
    yield from lines
    yield ""
    yield "</details>"


def _layers(report: Report) -> Iterator[str]:
    table = layers.layer_table(report)
    yield "| layer | signal | gradient | dead | update | findings |"
    yield "|---|--:|--:|--:|--:|---|"
    for row in fold(table.rows):
        if isinstance(row, Fold):
            yield f"| {cell(row.text)} | | | | | |"
            continue
        figures = [number(row.signal), number(row.gradient)]
        figures += [layers.cell(row, name) for name in _SHOWN]
        marks = ", ".join(f"{mark.code} {mark.name}" for mark in row.marks)
        note = "; ".join(filter(None, [marks, row.note]))
        yield f"| {' | '.join(map(cell, (row.name, *figures, note)))} |"
    yield ""
    yield paragraph(f"{table.caption}. signal: rms of z; gradient: rms of dL/dz over the last's.")


def _checks(report: Report) -> Iterator[str]:
    yield "| | check | answer |"
    yield "|---|---|---|"
    for line in summary.verdict_lines(report):
        cells = (line.status, f"{line.code} {line.name}", line.message or line.reason)
        yield f"| {' | '.join(map(cell, cells))} |"
