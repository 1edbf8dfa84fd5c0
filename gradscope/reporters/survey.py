"""What would be measured where: the layers of a model before any training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.cells import cell_len
from rich.text import Text

from gradscope.record import LayerInfo, UnmeasuredReason
from gradscope.reporters.layout.lines import STYLES, Page, shortened, wrapped
from gradscope.reporters.layout.numbers import NOT_MEASURED, count, plural
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.unmeasured_reasons import reason_sentence

_LIST_BELOW = 60
_LONGEST_NAME, _LONGEST_KIND = 32, 24
_LEAST_REASON = 24
_MOST_NAMED = 4
_HEADINGS = ("#", "layer", "kind", "phi", "shape", "parameters")
_RIGHT = (True, False, False, False, True, True)
# What a narrowing terminal loses first stands first; number, name and kind stay.
_DROPPED = ("parameters", "phi", "shape")
LEGEND = (
    "phi: the activation that follows the weights. shape: fan_in -> fan_out, or the features where "
    "there is no kernel. Hidden and output layers have a row in the report, the rest only when "
    "there is something to say about them."
)


def survey_json(name: str, layers: Sequence[LayerInfo]) -> str:
    """One JSON object: the model's name, and `layers` as in result.json."""
    content = {"name": name, "layers": [asdict(layer) for layer in layers]}
    return json.dumps(content, indent=2)


def survey_text(name: str, layers: Sequence[LayerInfo], options: ReportOptions) -> str:
    """A table as wide as `options` say, or a list where that is too narrow for one."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    measured = sum(layer.measured for layer in layers)
    weights = sum(layer.measured and layer.role in ("hidden", "output") for layer in layers)
    page.add(f"{printable(name)}: {plural(len(layers), 'layer')}", "title")
    page.add(
        f"{count(measured)} measured ({count(weights)} of them hidden or output layers), "
        f"{count(len(layers) - measured)} not; in the order in which the data flows",
        "dim",
    )
    if page.width < _LIST_BELOW:
        for layer in layers:
            _add_item(page, layer)
    else:
        _add_columns(page, layers)
    for text in _partly(layers):
        page.add(text, "dim", hanging=2)
    page.add(LEGEND, "dim")
    return page.render()


def _partly(layers: Sequence[LayerInfo]) -> Iterator[str]:
    """The statistics that measured layers lack, reason by reason."""
    lacking: dict[str, dict[str, None]] = {}
    names: dict[str, dict[str, None]] = {}
    for layer in layers:
        for statistic, reason in layer.unmeasured.items():
            sentence = reason_sentence(layer, reason)
            lacking.setdefault(sentence, {})[statistic] = None
            names.setdefault(sentence, {})[printable(layer.name)] = None
    for sentence, statistics in lacking.items():
        few = len(statistics) <= _MOST_NAMED
        what = ", ".join(statistics) if few else plural(len(statistics), "statistic")
        yield f"{', '.join(names[sentence])}: {NOT_MEASURED}: {what} ({sentence})"


def _shape(layer: LayerInfo) -> str:
    if layer.fan_in is not None and layer.fan_out is not None:
        return f"{layer.fan_in} -> {layer.fan_out}"
    return "" if layer.units is None else str(layer.units)


def _phi(layer: LayerInfo) -> str:
    """The activation, where there is one to speak of."""
    named = layer.activation or ""
    weighted = layer.role in ("hidden", "output")
    return printable(named) if weighted or named != "linear" else ""


def _reason(layer: LayerInfo) -> str:
    sentence = reason_sentence(layer)
    elsewhere = layer.reason == UnmeasuredReason.ACTIVATION_OF_LAYER
    return sentence if elsewhere else f"{NOT_MEASURED}: {sentence}"


def _tone(layer: LayerInfo) -> str:
    return "" if layer.role in ("hidden", "output") else "dim"


def _add_item(page: Page, layer: LayerInfo) -> None:
    name = shortened(printable(layer.name), page.width - len(f"{layer.index} "), page.unicode)
    tone = "title" if layer.role in ("hidden", "output") else "dim"
    page.add(f"{layer.index} {name} ({printable(layer.kind)})", tone, hanging=2)
    facts = [_phi(layer), _shape(layer)]
    if layer.parameters:
        facts.append(plural(layer.parameters, "parameter"))
    text = ", ".join(fact for fact in facts if fact)
    if text:
        page.add(text, indent=2, hanging=2)
    if not layer.measured:
        page.add(_reason(layer), "dim", indent=2, hanging=2)


def _add_columns(page: Page, layers: Sequence[LayerInfo]) -> None:
    rows = [_HEADINGS, *(_cells(layer, page.unicode) for layer in layers)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    shown = list(range(len(_HEADINGS)))
    for heading in _DROPPED:
        if sum(widths[i] + 2 for i in shown) - 2 > page.width:
            shown.remove(_HEADINGS.index(heading))

    def line(cells: Sequence[str]) -> str:
        drawn = [i for i in shown if i < len(cells)]
        return "  ".join(_padded(cells[i], widths[i], right=_RIGHT[i]) for i in drawn).rstrip()

    page.line(Text(line(_HEADINGS), STYLES["title"]))
    for layer, cells in zip(layers, rows[1:], strict=True):
        if layer.measured:
            page.line(Text(line(cells), STYLES.get(_tone(layer), "")))
            continue
        # A layer without figures has the rest of its line, or the next, for the reason.
        left = f"{line(cells[:3])}  "
        if page.width - sum(widths[:3]) - 6 < _LEAST_REASON:
            page.line(Text(left.rstrip(), STYLES["dim"]))
            left = " " * (widths[0] + 4)
        else:
            left = left.ljust(sum(widths[:3]) + 6)
        for words in wrapped(_reason(layer), page.width - cell_len(left)):
            page.line(Text(left + words, STYLES["dim"]))
            left = " " * cell_len(left)


def _cells(layer: LayerInfo, unicode: bool) -> tuple[str, ...]:
    return (
        str(layer.index),
        shortened(printable(layer.name), _LONGEST_NAME, unicode),
        shortened(printable(layer.kind), _LONGEST_KIND, unicode),
        shortened(_phi(layer), _LONGEST_KIND, unicode),
        _shape(layer),
        count(layer.parameters) if layer.parameters else "",
    )


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space
