"""The answer of a report as one piece of HTML for a notebook: nothing in it runs or is loaded."""

from __future__ import annotations

import hashlib
from html import escape

from gradscope.message_text import counted
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.reporters.run import html, plots, summary

_FIGURE = "depth_profile"


def notebook_html(report: Report) -> str:
    """State, headline and remedy, and the profile over depth as SVG.

    Text of the user's (names, messages) is escaped. Ids are unique among the outputs of a notebook.
    """
    record, diagnosis = report.record, report.diagnosis
    steps = counted(record.outcome.steps_done, "step")
    parts = [
        f"<p><b>{_text(diagnosis.verdict.upper())}</b> {_text(record.name)}, {steps}</p>",
        f"<p>{_text(diagnosis.headline)}</p>",
    ]
    remedy = summary.remedy(report)
    if remedy:
        parts.append(f"<p><b>Try:</b> {_text(remedy)}</p>")
    svg = plots.files(report, (_FIGURE,)).files.get(f"{_FIGURE}.svg", b"").decode()
    if svg:
        # Two outputs of one notebook share a page, and so the names of their ids.
        unique = hashlib.sha256(svg.encode()).hexdigest()[:12]
        parts.append(html.inline(svg, f"gradscope-{unique}"))
    content = "\n".join(parts)
    return f'<div class="gradscope">\n{content}\n</div>'


def _text(text: str) -> str:
    return escape(printable(text))
