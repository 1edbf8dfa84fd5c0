"""The report in a terminal: what is wrong and what to do first, the figures after it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from gradscope.reporters.layout.glyphs import sparkline
from gradscope.reporters.layout.lines import STYLES, Page, shortened, symbol
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.layout.terminal_table import add_table
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS, summary
from gradscope.reporters.run.layer_table import layer_table
from gradscope.reporters.run.time_table import TITLE, TimeTable, time_table

_LONGEST_SPARKLINE = 72
_HEALTHY = "healthy"
_LONGEST_NAME = 24
_SHORTEST_STRIP, _LONGEST_STRIP = 20, 60


@REPORTERS.register("text")
def text(report: Report, options: ReportOptions) -> str:
    """The terminal's report, in the width and the characters of `options`."""
    return render(
        report,
        width=options.width,
        color=options.color,
        unicode=options.unicode,
        files=options.files,
    )


def render(
    report: Report, *, width: int, color: bool, unicode: bool, files: Sequence[str] = ()
) -> str:
    """The whole page as one string; `width` in columns, `files` the paths to name at the end."""
    page = Page(width=width, color=color, unicode=unicode)
    _add_answer(page, report)
    add_table(page, layer_table(report))
    _add_times(page, time_table(report))
    _add_verdicts(page, report)
    _add_course(page, report)
    if files:
        page.title("Files")
        for path in files:
            page.add(printable(path), indent=2, hanging=2)
    return page.render()


def _add_answer(page: Page, report: Report) -> None:
    diagnosis = report.diagnosis
    sign = symbol(diagnosis.verdict, page.unicode)
    name = printable(report.record.name)
    page.add(f"{sign} {diagnosis.verdict.upper()}: {name}", diagnosis.verdict, hanging=2)
    limits = summary.warning(report)
    if limits:
        page.add(limits, "warning", indent=2)
    page.add(printable_lines(diagnosis.headline), "title", indent=2)
    if remedy := summary.remedy(report):
        page.add(f"Try: {printable_lines(remedy)}", indent=2, hanging=5)
    page.add(summary.evidence(report.record), "dim", indent=2)
    page.add(summary.theory(report), "dim", indent=2)


def _add_times(page: Page, table: TimeTable) -> None:
    """A strip per recurrent layer, its words beside it where they fit."""
    if not table.rows:
        return
    page.title(TITLE)
    page.add(table.legend, "dim")
    names = [shortened(row.name, _LONGEST_NAME, page.unicode) for row in table.rows]
    led = max(map(cell_len, names))
    room = page.width - led - 2 - max(cell_len(row.words) for row in table.rows)
    beside = room >= _SHORTEST_STRIP
    room = room if beside else max(page.width - led - 1, 1)
    width = min(room, _LONGEST_STRIP, max(len(row.heights) for row in table.rows))
    for name, row in zip(names, table.rows, strict=True):
        line = Text(f"{name}{' ' * (led - cell_len(name))} ")
        strip = row.strip(width, unicode=page.unicode)
        line.append(strip, STYLES["info"])
        if beside:
            line.append(f"{' ' * (width - len(strip))} {row.words}")
        page.line(line)
        if not beside:
            page.add(row.words, indent=2, hanging=2)


def _add_verdicts(page: Page, report: Report) -> None:
    page.title("Verdicts")
    if not report.diagnosis.verdicts:
        page.add("no detector has judged this run", "warning", indent=2)
    lines = list(summary.verdict_lines(report))
    for line in lines:
        if line.status == _HEALTHY:
            continue
        sign = symbol(line.tone, page.unicode)
        words = f"{sign} {line.code} {line.name}: {line.status}"
        if line.reason:
            words += f" ({line.reason})"
        page.add(words, line.tone, hanging=2)
        if line.message:
            page.add(line.message, indent=4)
        for fact in line.facts:
            page.add(f"{fact.label}: {fact.text}", indent=4, hanging=2)
    healthy = [f"{line.code} {line.name}" for line in lines if line.status == _HEALTHY]
    if healthy:
        sign = symbol(_HEALTHY, page.unicode)
        page.add(f"{sign} {len(healthy)} {_HEALTHY}: {', '.join(healthy)}", _HEALTHY, hanging=2)


def _add_course(page: Page, report: Report) -> None:
    record = report.record
    page.title("Loss")
    loss = [float(value) for value in record.scalars["loss"]]
    curve = sparkline(loss, min(_LONGEST_SPARKLINE, page.width - 2), page.unicode)
    page.line(Text(f"  {curve}", STYLES["info"]))
    page.add(summary.loss_course(record), indent=2)
    page.add(f"test set: {summary.evaluation(record)}", indent=2)
