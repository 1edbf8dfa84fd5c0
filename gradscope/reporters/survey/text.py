"""The layers of a model in a terminal: a table, or a list where it is too narrow for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from rich.text import Text

from gradscope.message_text import counted
from gradscope.record import LayerInfo, UnmeasuredReason
from gradscope.reporters.layout.lines import STYLES, Page, shortened, wrapped
from gradscope.reporters.layout.numbers import NOT_MEASURED, count
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.layout.table import NARROWEST_TABLE, Column, add_beside, lay_out
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.survey import SURVEY_FORMS
from gradscope.reporters.unmeasured_reasons import reason_sentence

_LONGEST_NAME, _LONGEST_KIND = 32, 24
_LEAST_REASON = 24
_MOST_NAMED = 4
LEGEND = (
    "phi: the activation that follows the weights. shape: fan_in -> fan_out, or the features where "
    "there is no kernel. Hidden and output layers have a row in the report, the rest only when "
    "there is something to say about them."
)


@SURVEY_FORMS.register("text")
def text(name: str, layers: Sequence[LayerInfo], options: ReportOptions) -> str:
    """Render a table as wide as `options` say, or a list where that is too narrow for one."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    measured = sum(layer.measured for layer in layers)
    weights = sum(layer.measured and layer.weighted for layer in layers)
    page.add_text(f"{printable(name)}: {counted(len(layers), 'layer')}", "title")
    page.add_text(
        f"{count(measured)} measured ({count(weights)} of them hidden or output layers), "
        f"{count(len(layers) - measured)} not; in the order in which the data flows",
        "dim",
    )
    if page.width < NARROWEST_TABLE:
        for layer in layers:
            _add_item(page, layer)
    else:
        _add_columns(page, layers)
    for text in _partly(layers):
        page.add_text(text, "dim", hanging=2)
    page.add_text(LEGEND, "dim")
    return page.render()


def _partly(layers: Sequence[LayerInfo]) -> Iterator[str]:
    """Per reason, the statistics that measured layers lack."""
    lacking: dict[str, dict[str, None]] = {}
    names: dict[str, dict[str, None]] = {}
    for layer in layers:
        for statistic, reason in layer.unmeasured.items():
            sentence = reason_sentence(layer, reason)
            lacking.setdefault(sentence, {})[statistic] = None
            names.setdefault(sentence, {})[printable(layer.name)] = None
    for sentence, statistics in lacking.items():
        few = len(statistics) <= _MOST_NAMED
        what = ", ".join(statistics) if few else counted(len(statistics), "statistic")
        yield f"{', '.join(names[sentence])}: {NOT_MEASURED}: {what} ({sentence})"


def _shape(layer: LayerInfo) -> str:
    if layer.fan_in is not None and layer.fan_out is not None:
        return f"{layer.fan_in} -> {layer.fan_out}"
    return "" if layer.units is None else str(layer.units)


def _phi(layer: LayerInfo) -> str:
    """The activation; empty for linear ones of other layers."""
    named = layer.activation or ""
    weighted = layer.weighted
    return printable(named) if weighted or named != "linear" else ""


def _reason(layer: LayerInfo) -> str:
    sentence = reason_sentence(layer)
    elsewhere = layer.reason == UnmeasuredReason.ACTIVATION_OF_LAYER
    return sentence if elsewhere else f"{NOT_MEASURED}: {sentence}"


def _tone(layer: LayerInfo) -> str:
    return "" if layer.weighted else "dim"


def _add_item(page: Page, layer: LayerInfo) -> None:
    name = shortened(printable(layer.name), page.width - len(f"{layer.index} "), page.unicode)
    tone = "title" if layer.weighted else "dim"
    page.add_text(f"{layer.index} {name} ({printable(layer.kind)})", tone, hanging=2)
    facts = [_phi(layer), _shape(layer)]
    if layer.parameters:
        facts.append(counted(layer.parameters, "parameter"))
    text = ", ".join(fact for fact in facts if fact)
    if text:
        page.add_text(text, indent=2, hanging=2)
    if not layer.measured:
        page.add_text(_reason(layer), "dim", indent=2, hanging=2)


def _add_columns(page: Page, layers: Sequence[LayerInfo]) -> None:
    def column(
        heading: str, write: Callable[[LayerInfo], str], longest: int = 0, **options: Any
    ) -> Column:
        cells = [
            shortened(write(layer), longest, page.unicode) if longest else write(layer)
            for layer in layers
        ]
        return Column(heading, cells, key=heading, **options)

    columns = [
        column("#", lambda layer: str(layer.index), right=True),
        column("layer", lambda layer: printable(layer.name), _LONGEST_NAME),
        column("kind", lambda layer: printable(layer.kind), _LONGEST_KIND),
        column("phi", _phi, _LONGEST_KIND, priority=2),
        column("shape", _shape, right=True, priority=1),
        column("parameters", _parameters, right=True, priority=3),
    ]
    layout = lay_out(columns, page.width)
    page.add_line(Text(layout.heading(), STYLES["title"]))
    indent = " " * (layout.columns[0].width + 2 * layout.gap)
    for position, layer in enumerate(layers):
        if layer.measured:
            row = layout.row(position)
            row.stylize(STYLES.get(_tone(layer), ""))
            page.add_line(row)
            continue
        # A layer without figures has the rest of its line, or the next, for the reason.
        left = layout.row(position, ("#", "layer", "kind")).append("  ")
        left.stylize(STYLES["dim"])
        if page.width - left.cell_len < _LEAST_REASON:
            page.add_line(left)
            left = Text(indent)
        add_beside(page, left, partial(_reason_lines, layer), "dim")


def _reason_lines(layer: LayerInfo, width: int) -> list[str]:
    return list(wrapped(_reason(layer), width))


def _parameters(layer: LayerInfo) -> str:
    return count(layer.parameters) if layer.parameters else ""
