"""The layer table in characters: as many columns as fit, or a list where too few do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from gradscope.reporters.layout.glyphs import LogScale, bar
from gradscope.reporters.layout.lines import STYLES, Page, shortened, symbol, wrapped
from gradscope.reporters.layout.numbers import number, percent, ratio
from gradscope.reporters.run.folding import Fold, fold
from gradscope.reporters.run.layer_table import LayerRow, LayerTable, Mark

LIST_BELOW = 60
_LONGEST_NAME, _SHORTEST_NAME = 24, 14
_BAR, _LONGEST_BAR = 6, 16
# What a narrowing terminal loses last stands first; name, signal, gradient and findings stay.
_PRIORITY = (
    "gradient_gain",
    "gradient_bar",
    "signal_gain",
    "signal_bar",
    "index",
    "band",
    "dead",
    "update",
    "derivative",
    "activation",
)
_ORDER = (
    "index",
    "name",
    "activation",
    "signal",
    "signal_bar",
    "signal_gain",
    "gradient",
    "gradient_bar",
    "gradient_gain",
    "band",
    "dead",
    "derivative",
    "update",
)


@dataclass
class _Column:
    """A column: its heading, its cells, and how wide the widest of both is."""

    heading: str
    cells: list[str]
    right: bool = True
    least: int = 0
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = max(self.least, *map(cell_len, [self.heading, *self.cells]))

    def padded(self, text: str) -> str:
        space = " " * (self.width - cell_len(text))
        return space + text if self.right else text + space


def add_table(page: Page, table: LayerTable) -> None:
    """Put the table on the page."""
    shown = fold(table.rows)
    signal = LogScale.covering([row.signal for row in table.rows])
    gradient = LogScale.covering([row.gradient for row in table.rows])
    page.title("Layers, from input to output")
    page.add(table.caption, "dim")
    if page.width < LIST_BELOW:
        for row in shown:
            _add_item(page, row, gains=table.gains)
    else:
        page.add(f"bars, log scale: signal {signal}, gradient {gradient}", "dim")
        _add_columns(page, shown, signal, gradient, gains=table.gains)
    for note in table.notes:
        page.add(note, "dim")
    page.add(table.legend, "dim")


def _mark(mark: Mark, unicode: bool) -> str:
    return f"{symbol(mark.severity, unicode)} {mark.words}"


def _findings(row: LayerRow, unicode: bool) -> list[str]:
    return [_mark(mark, unicode) for mark in row.marks] + ([row.note] if row.note else [])


def _packed(texts: Sequence[str], room: int) -> list[str]:
    """Lines of `room` columns; texts share a line where they fit whole."""
    lines: list[str] = []
    for text in texts:
        if lines and cell_len(f"{lines[-1]}, {text}") <= room:
            lines[-1] += f", {text}"
        else:
            lines.extend(wrapped(text, room))
    return lines or [""]


def _lines(row: LayerRow, texts: Sequence[str], room: int, unicode: bool) -> list[str]:
    """The findings of one row; their codes where several do not fit on one line by name."""
    lines = _packed(texts, room)
    if len(lines) == 1 or len(row.marks) < 2:
        return lines
    codes = [f"{symbol(mark.severity, unicode)} {mark.code}" for mark in row.marks]
    return _packed(codes + ([row.note] if row.note else []), room)


def _tone(row: LayerRow) -> str:
    severities = [mark.severity for mark in row.marks]
    return next((s for s in ("error", "warning", "info") if s in severities), "")


def _add_item(page: Page, row: LayerRow | Fold, *, gains: bool) -> None:
    """One layer of the list for narrow terminals."""
    if isinstance(row, Fold):
        page.add(row.words, "dim", hanging=2)
        return
    kind = row.activation or row.kind
    name = shortened(row.name, page.width - cell_len(f"{row.index} "), page.unicode)
    page.add(f"{row.index} {name} ({kind})", _tone(row) or "title", hanging=2)
    if row.weighted:
        for quantity, value, gain in (
            ("signal", row.signal, row.signal_gain),
            ("gradient", row.gradient, row.gradient_gain),
        ):
            words = f"{quantity} {number(value)}"
            page.add(f"{words}, gain {ratio(gain)}" if gains else words, indent=2, hanging=2)
        if row.band:
            page.add(f"theory's band at step 0: {row.band}", indent=2, hanging=2)
        rest = (
            f"dead {percent(row.dead)}, phi' gain {number(row.derivative_gain)}, "
            f"update {number(row.update_ratio)}"
        )
        page.add(rest, indent=2, hanging=2)
    for words in _findings(row, page.unicode):
        page.add(words, _tone(row), indent=2, hanging=2)


def _add_columns(
    page: Page,
    shown: Sequence[LayerRow | Fold],
    signal: LogScale,
    gradient: LogScale,
    *,
    gains: bool,
) -> None:
    rows = [row for row in shown if isinstance(row, LayerRow)]
    findings = [_findings(row, page.unicode) for row in rows]
    columns = _figures(rows, _LONGEST_NAME if page.width >= 80 else _SHORTEST_NAME, page.unicode)
    if not gains:
        del columns["signal_gain"], columns["gradient_gain"]
    if not any(columns["band"].cells):
        del columns["band"]
    gap = 2 if page.width >= 140 else 1
    beside = [texts for row, texts in zip(rows, findings, strict=True) if row.weighted]
    keys, bar_width, room = _choose(columns, beside, page.width, gap)
    for key, scale in (("signal", signal), ("gradient", gradient)):
        cells = [bar(scale.fraction(getattr(r, key)), bar_width, page.unicode) for r in rows]
        columns[f"{key}_bar"] = _Column("", cells, right=False, least=bar_width)
    chosen = [columns[key] for key in keys]
    space = " " * gap
    heading = space.join([*(c.padded(c.heading) for c in chosen), "findings"])
    page.line(Text(heading, STYLES["title"]))
    position = 0
    for entry in shown:
        if isinstance(entry, Fold):
            page.add(entry.words, "dim", indent=1, hanging=4)
            continue
        # A layer without figures has the whole line for what there is to say about it.
        led = chosen if entry.weighted else [columns[k] for k in keys if k in ("index", "name")]
        left = space.join(c.padded(c.cells[position]) for c in led) + space
        room = page.width - cell_len(left)
        for line in _lines(entry, findings[position], room, page.unicode):
            page.line(Text(left).append(line, STYLES.get(_tone(entry), "")))
            left = " " * cell_len(left)
        position += 1
    absent = [c.heading for key, c in columns.items() if key not in keys and c.heading]
    if absent:
        page.add(f"no room at this width for {', '.join(absent)}: report.html has them", "dim")


def _choose(
    columns: dict[str, _Column], findings: Sequence[list[str]], width: int, gap: int
) -> tuple[list[str], int, int]:
    """Which columns fit beside the findings, how wide the bars get, what the findings keep."""
    texts = [text for row in findings for text in row] + ["findings"]
    together = max((cell_len(", ".join(row)) for row in findings), default=0)
    longest = max(map(cell_len, texts))
    # Words stay whole, so the longest one is the least the findings can do with.
    least = max(cell_len(word) for text in texts for word in text.split(" "))
    room = together if longest <= together <= width // 3 else min(longest, width // 3)
    room = max(least, room)
    keys = ["name", "signal", "gradient"]
    used = sum(columns[key].width + gap for key in keys)
    if used + room > width:
        room = max(least, width - used)
    for key in _PRIORITY:
        if not key.endswith("_bar") and key not in columns:
            continue
        needed = (_BAR if key.endswith("_bar") else columns[key].width) + gap
        if used + needed + room <= width:
            keys.append(key)
            used += needed
    bars = sum(key.endswith("_bar") for key in keys)
    spare = max(0, width - used - room)
    grown = min(_LONGEST_BAR - _BAR, spare // bars) if bars else 0
    keys.sort(key=_ORDER.index)
    return keys, _BAR + grown, max(room, width - used - grown * bars)


def _figures(rows: Sequence[LayerRow], longest_name: int, unicode: bool) -> dict[str, _Column]:
    """The columns of words and numbers."""

    def cells(show: Callable[[LayerRow], str]) -> list[str]:
        return [show(row) if row.weighted else "" for row in rows]

    names = [shortened(row.name, longest_name, unicode) for row in rows]
    kinds = [shortened(row.activation or row.kind, longest_name, unicode) for row in rows]
    return {
        "index": _Column("#", [str(row.index) for row in rows]),
        "name": _Column("layer", names, right=False),
        "activation": _Column("phi", kinds, right=False),
        "signal": _Column("signal", cells(lambda row: number(row.signal))),
        "signal_gain": _Column("gain", cells(lambda row: ratio(row.signal_gain))),
        "gradient": _Column("gradient", cells(lambda row: number(row.gradient))),
        "gradient_gain": _Column("gain", cells(lambda row: ratio(row.gradient_gain))),
        "band": _Column("band", cells(lambda row: row.band), right=False),
        "dead": _Column("dead", cells(lambda row: percent(row.dead))),
        "derivative": _Column("phi' gain", cells(lambda row: number(row.derivative_gain))),
        "update": _Column("update", cells(lambda row: number(row.update_ratio))),
    }
