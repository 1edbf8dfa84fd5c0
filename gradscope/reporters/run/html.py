"""The report as one HTML file: nothing loaded from the network, whole without its script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from gradscope.gate.check import Status
from gradscope.record import Verdict
from gradscope.reporters import check_text
from gradscope.reporters.layout import numbers
from gradscope.reporters.layout.lines import symbol
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.layout.templates import page_environment
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import plots, summary
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.expected_start import start_table
from gradscope.reporters.run.page import drawing, policy
from gradscope.reporters.run.page.check_screen import check_screen
from gradscope.reporters.run.page.page_data import page_data
from gradscope.reporters.run.page.run_screen import run_screen
from gradscope.reporters.run.page.screen import Screen
from gradscope.reporters.run.page.screen_page import command_text, unbroken
from gradscope.reporters.run.summary import VerdictLine
from gradscope.reporters.run.tables import weight_table as weight_tables
from gradscope.reporters.run.tables.folding import Fold, fold
from gradscope.reporters.run.tables.layer_figures import FIGURES
from gradscope.reporters.run.tables.layer_table import LayerRow, LayerTable, cell, layer_table
from gradscope.reporters.run.tables.time_table import TITLE, time_table
from gradscope.reporters.run.tables.weight_table import weight_table

if TYPE_CHECKING:
    from jinja2 import Template

_CHECK_TONES: dict[str, str] = {"passed": "healthy", "failed": "error"}
"""Tones of a check's statuses; the others have the name of their tone."""

_TEMPLATE = "run/report.html.j2"


@dataclass(frozen=True)
class _Picture:
    """A figure to embed: `svg` is already safe markup."""

    name: str
    caption: str
    svg: str


def render(
    report: Report, figures_svg: Mapping[str, str], options: ReportOptions | None = None
) -> str:
    """The page as a string; `figures_svg` maps the names of `plots.draw` to their SVG text.

    The `source` and the `overrides` of `options` make commands that paste.
    """
    table = layer_table(report)
    lines = list(summary.verdict_lines(report))
    limits = "" if report.record.outcome.complete else summary.warning(report)
    return _template().render(
        screen=_screen(report, options or ReportOptions()),
        policy=policy.content_security_policy(),
        style=policy.style(),
        script=policy.script(),
        checked=_checked(report),
        contents=_CONTENTS,
        record=report.record,
        diagnosis=report.diagnosis,
        limits=limits.split("\n") if limits else [],
        faults=[f"{fault.computation}: {fault.crashed}" for fault in report.faults],
        beside=_lines_of(lines, lead.others(report)),
        following=_lines_of(lines, lead.following(report)),
        counts=lead.count_of_checks(report),
        evidence=summary.evidence(report.record),
        theory=summary.theory(report),
        table=table,
        shown=fold(table.rows),
        legend=table.legend,
        weights=weight_table(report.record),
        weights_title=weight_tables.TITLE,
        norms_title=weight_tables.NORM_TITLE,
        start=start_table(report.record),
        times=time_table(report),
        times_title=TITLE,
        verdicts=lines,
        course=summary.loss_course(report.record),
        evaluation=summary.evaluation(report.record),
        pictures=_pictures(figures_svg),
        config=_yaml(report.record.config),
        environment=_pairs(asdict(report.record.environment)),
        data=_pairs(asdict(report.record.data)),
    )


def _screen(report: Report, options: ReportOptions) -> Screen:
    if report.checked is not None:
        return check_screen(report.checked, report, options)
    return run_screen(report, options)


@dataclass(frozen=True)
class _CheckPart:
    """One check of a checked config, worded; `tone` is its status."""

    name: str
    tone: str
    answer: str
    evidence: str
    remedy: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    rest: str


def _checked(report: Report) -> dict[str, Any] | None:
    """What a page says of the check of which it is a part; None for a run by itself."""
    checked = report.checked
    if checked is None:
        return None
    parts = [
        _CheckPart(
            check.name,
            str(check.status),
            check_text.answer(check),
            check.evidence,
            "" if check.status is Status.PASSED else check_text.check_remedy(check, checked),
            check_text.difference_headings(check),
            check_text.difference_rows(check),
            check_text.differences_left_out(check),
        )
        for check in checked.checks
    ]
    differing = [part for part in parts if part.rows]
    state = run_screen(report, ReportOptions())
    return {"parts": parts, "differing": differing, "of": checked, "state": state}


_CONTENTS = (
    ("layers", "Layers"),
    ("checks", "Checks"),
    ("config", "Config"),
    ("environment", "Environment"),
)


def _lines_of(lines: Sequence[VerdictLine], verdicts: Sequence[Verdict]) -> list[VerdictLine]:
    """The lines of these verdicts, in their order."""
    codes = [printable(verdict.code) for verdict in verdicts]
    return [line for code in codes for line in lines if line.code == code]


def inline(svg: str, prefix: str) -> str:
    """The text of an SVG file as an element of a page: no prologue, ids unique in the page."""
    start = svg.find("<svg")
    svg = svg[start:] if start > 0 else svg
    # The metadata has URLs, and nothing in a page reads it.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # A page allows no style but its own: what matplotlib writes as style becomes attributes.
    svg, styled = re.subn(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    if styled:
        svg = svg.replace("<svg ", '<svg stroke-linejoin="round" ', 1)
    svg = re.sub(r'\sstyle="([^"]*)"', lambda match: _attributes(match[1]), svg)
    repeats: Counter[str] = Counter()

    def unique(match: re.Match[str]) -> str:
        # Matplotlib derives the id of an image from its content: equal colour bars share an id.
        repeats[match[1]] += 1
        again = f"-{repeats[match[1]]}" if repeats[match[1]] > 1 else ""
        return f'id="{prefix}-{match[1]}{again}"'

    svg = re.sub(r'\bid="([^"]*)"', unique, svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    return re.sub(r"url\(#", f"url(#{prefix}-", svg)


def _attributes(style: str) -> str:
    """Declarations as attributes; the last one of a name counts."""
    pairs = (part.split(":", 1) for part in style.split(";") if ":" in part)
    values = {name.strip(): value.strip() for name, value in pairs}
    return "".join(f' {name}="{value}"' for name, value in values.items())


def _pictures(figures_svg: Mapping[str, str]) -> list[_Picture]:
    return [
        _Picture(name, plots.CAPTIONS.get(name, name), inline(svg, name))
        for name, svg in figures_svg.items()
    ]


@cache
def _template() -> Template:
    environment = page_environment(keep_trailing_newline=True)
    environment.filters |= {
        "safe_text": printable,
        "safe_lines": printable_lines,
        "number": numbers.number,
        "percent": numbers.percent,
        "ratio": numbers.ratio,
        "near_one": weight_tables.ratio_text,
        "symbol": lambda tone: symbol(tone, unicode=True),
        "check_symbol": lambda status: symbol(
            _CHECK_TONES.get(str(status), str(status)), unicode=True
        ),
        "unbroken": unbroken,
        "command_text": command_text,
        "strip_svg": drawing.strip_svg,
        "plot_svg": drawing.svg,
        "page_data": page_data,
    }
    environment.tests["fold"] = lambda row: isinstance(row, Fold)
    environment.globals |= {"gauge": _gauge, "cell": cell, "figures": FIGURES}
    return environment.get_template(_TEMPLATE)


def _gauge(table: LayerTable, row: LayerRow, quantity: str) -> str:
    """The width of a bar in percent of its cell."""
    return f"{100 * table.scale(quantity).fraction(getattr(row, quantity)):.1f}%"


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key.replace("_", " "), _value(value)) for key, value in values.items()]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return numbers.number(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return printable(", ".join(map(str, value)))
    return printable(str(value))


def _yaml(config: Mapping[str, Any]) -> str:
    """The resolved config as YAML."""
    import yaml

    text: str = yaml.safe_dump(
        dict(config), sort_keys=False, allow_unicode=True, default_flow_style=False, width=100
    )
    return printable_lines(text.rstrip("\n"))
