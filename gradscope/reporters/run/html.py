"""The report as one HTML file: no script, nothing loaded from the network, fit for printing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from gradscope.reporters.layout import numbers
from gradscope.reporters.layout.lines import symbol
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.report import Report
from gradscope.reporters.run import plots, summary
from gradscope.reporters.run import weight_table as weight_tables
from gradscope.reporters.run.folding import Fold, fold
from gradscope.reporters.run.layer_figures import FIGURES
from gradscope.reporters.run.layer_table import LayerRow, LayerTable, cell, layer_table
from gradscope.reporters.run.time_table import TITLE, time_table
from gradscope.reporters.run.weight_table import weight_table

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class _Picture:
    """A figure to embed: `svg` is already safe markup."""

    name: str
    caption: str
    svg: str


def render(report: Report, figures_svg: Mapping[str, str]) -> str:
    """The page as a string; `figures_svg` maps the names of `plots.draw` to their SVG text."""
    table = layer_table(report)
    return _template().render(
        record=report.record,
        diagnosis=report.diagnosis,
        limits=summary.warning(report).split("\n") if summary.warning(report) else [],
        faults=[f"{fault.computation}: {fault.crashed}" for fault in report.faults],
        evidence=summary.evidence(report.record),
        theory=summary.theory(report),
        table=table,
        shown=fold(table.rows),
        legend=table.legend,
        weights=weight_table(report.record),
        weights_title=weight_tables.TITLE,
        norms_title=weight_tables.NORM_TITLE,
        times=time_table(report),
        times_title=TITLE,
        verdicts=list(summary.verdict_lines(report)),
        remedy=summary.remedy(report),
        course=summary.loss_course(report.record),
        evaluation=summary.evaluation(report.record),
        pictures=_pictures(figures_svg),
        config=_yaml(report.record.config),
        environment=_pairs(asdict(report.record.environment)),
        data=_pairs(asdict(report.record.data)),
    )


def inline(svg: str, prefix: str) -> str:
    """The text of an SVG file as an element of a page: no prologue, ids unique in the page."""
    start = svg.find("<svg")
    svg = svg[start:] if start > 0 else svg
    # The metadata has URLs, and nothing in a page reads it.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    repeats: Counter[str] = Counter()

    def unique(match: re.Match[str]) -> str:
        # Matplotlib derives the id of an image from its content: equal colour bars share an id.
        repeats[match[1]] += 1
        again = f"-{repeats[match[1]]}" if repeats[match[1]] > 1 else ""
        return f'id="{prefix}-{match[1]}{again}"'

    svg = re.sub(r'\bid="([^"]*)"', unique, svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    return re.sub(r"url\(#", f"url(#{prefix}-", svg)


def _pictures(figures_svg: Mapping[str, str]) -> list[_Picture]:
    return [
        _Picture(name, plots.CAPTIONS.get(name, name), inline(svg, name))
        for name, svg in figures_svg.items()
    ]


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gradscope.reporters.run", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "safe_text": printable,
        "safe_lines": printable_lines,
        "number": numbers.number,
        "percent": numbers.percent,
        "ratio": numbers.ratio,
        "near_one": weight_tables.ratio_text,
        "symbol": lambda tone: symbol(tone, unicode=True),
    }
    environment.tests["fold"] = lambda row: isinstance(row, Fold)
    environment.globals |= {"bar": _bar, "cell": cell, "figures": FIGURES}
    return environment.get_template(_TEMPLATE)


def _bar(table: LayerTable, row: LayerRow, quantity: str) -> str:
    """The width of a bar in percent of its cell."""
    return f"{100 * table.scale(quantity).fraction(getattr(row, quantity)):.1f}%"


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key.replace("_", " "), _value(value)) for key, value in values.items()]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return numbers.number(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return printable(str(value))


def _yaml(config: Mapping[str, Any]) -> str:
    """The resolved config as YAML."""
    import yaml

    text: str = yaml.safe_dump(
        dict(config), sort_keys=False, allow_unicode=True, default_flow_style=False, width=100
    )
    return printable_lines(text.rstrip("\n"))
