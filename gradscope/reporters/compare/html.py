"""A comparison as one HTML file: no script, nothing loaded from the network."""

from __future__ import annotations

from html import escape

from gradscope.gate.runs_compared import RunsCompared
from gradscope.reporters import compare_picture
from gradscope.reporters.compare import COMPARE_FORMS, Compared
from gradscope.reporters.compare_content import Table, heading, sections
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.html import inline

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1.5rem}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:1.8rem}figure{margin:0}"
    "figure svg{max-width:100%;height:auto}.wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}"
    "th,td{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:left}"
    ".n{text-align:right}.soft{color:#555}"
)


@COMPARE_FORMS.register("html")
def html(compared: Compared, options: ReportOptions) -> str:
    """Render the page, with the profiles of runs in one picture."""
    del options
    title = _escaped(heading(compared))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
    ]
    if isinstance(compared, RunsCompared):
        svg = compare_picture.files(compared)["profiles.svg"].decode()
        parts.append(f"<figure>{inline(svg, 'profiles')}</figure>")
    for section in sections(compared):
        parts.append(f"<h2>{_escaped(section.heading)}</h2>")
        if section.lines:
            items = "".join(f"<li>{_escaped(line)}</li>" for line in section.lines)
            parts.append(f"<ul>{items}</ul>")
        if section.table is not None:
            parts.append(_table(section.table))
        if section.note:
            parts.append(f'<p class="soft">{_escaped(section.note)}</p>')
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _table(table: Table) -> str:
    kinds = ['class="n"' if right else "" for right in table.numbers]
    head = "".join(
        f'<th {kind} scope="col">{_escaped(name)}</th>'
        for kind, name in zip(kinds, table.headings, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(f"<td {k}>{_escaped(cell)}</td>" for k, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    table_text = f"<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody>"
    return f'<div class="wide"><table>{table_text}</table></div>'


def _escaped(text: str) -> str:
    return escape(printable(text))
