"""Draw the rooms of gradscope, floor above floor, as an SVG for light and dark pages."""

from __future__ import annotations

import textwrap
from xml.sax.saxutils import escape

from scripts.design.rooms import Room

_WIDTH = 1000
_LEFT = 64  # the floor numbers
_MARGIN = 20
_GAP = 12
_PADDING = 14
_TITLE = 26
_LINE = 17
_CHIP = 22
_SANS = 7.2  # pixels of a character of the purpose, at 12.5 px
_MONOSPACE = 0.605  # pixels of a character for each pixel of the font's size
_CAPTION = (
    "A room imports only from the floors below it. "
    "Blue: a library that only the rooms marked with it may import."
)

_STYLE = """
  .page { fill: #ffffff } .room { fill: #f6f8fa; stroke: #d0d7de } .name { fill: #1f2328 }
  .text { fill: #59636e } .chip { fill: #ffffff; stroke: #d0d7de } .chip-text { fill: #1f2328 }
  .library { fill: #ddf4ff } .library-text { fill: #0550ae } .line { stroke: #afb8c1 }
  .arrow { fill: #afb8c1 } .floor { fill: #ffffff; stroke: #afb8c1 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .room { fill: #151b23; stroke: #3d444d } .name { fill: #f0f6fc }
    .text { fill: #9198a1 } .chip { fill: #0d1117; stroke: #3d444d } .chip-text { fill: #d1d7e0 }
    .library { fill: #12283f } .library-text { fill: #79c0ff } .line { stroke: #656c76 }
    .arrow { fill: #656c76 } .floor { fill: #0d1117; stroke: #656c76 }
  }
  text { font: 12.5px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  .name, .chip-text, .library-text { font-family: ui-monospace, "DejaVu Sans Mono", monospace }
  .name { font-size: 15px; font-weight: 600 } .chip-text, .library-text { font-size: 11px }
  .size { font-size: 11px; text-anchor: end } .middle { text-anchor: middle }
"""


def picture(floors: list[list[Room]]) -> str:
    """The SVG of `floors`, the top floor first."""
    parts: list[str] = []
    middles: list[float] = []
    y = float(_MARGIN)
    for rooms in floors:
        width = (_WIDTH - _LEFT - _MARGIN - _GAP * (len(rooms) - 1)) / len(rooms)
        height = max(_height(room, width) for room in rooms)
        for number, room in enumerate(rooms):
            parts += _drawn(room, _LEFT + number * (width + _GAP), y, width, height)
        middles.append(y + height / 2)
        y += height + _GAP
    parts.append(_text("text", _LEFT, y + 14, _CAPTION))
    return _svg([*_stairs(middles, y), *parts], y + 14 + _MARGIN)


def _svg(parts: list[str], height: float) -> str:
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" '
        f'width="{_WIDTH}" height="{height:g}" role="img" aria-label="The rooms of gradscope">',
        "<!-- Drawn by scripts/make_design_page.py from the import contracts. -->",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height:g}" rx="8"/>',
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _stairs(middles: list[float], end: float) -> list[str]:
    """The numbers of the floors, on an arrow in the direction of imports."""
    x = _LEFT / 2
    parts = [
        f'<path class="line" d="M{x:g} {middles[0]:g}V{end - 8:g}" stroke-width="2"/>',
        f'<path class="arrow" d="M{x - 6:g} {end - 10:g}h12l-6 10z"/>',
    ]
    for number, y in enumerate(reversed(middles)):
        parts.append(f'<circle class="floor" cx="{x:g}" cy="{y:g}" r="13" stroke-width="1.5"/>')
        parts.append(_text("text middle", x, y + 4.5, str(number)))
    return parts


def _height(room: Room, width: float) -> float:
    chips = _rows([sub_room.name for sub_room in room.sub_rooms], width - 2 * _PADDING)
    wrapped = len(_wrapped(room.purpose, width))
    return _TITLE + wrapped * _LINE + len(chips) * (_CHIP + 6) + _PADDING


def _drawn(room: Room, x: float, y: float, width: float, height: float) -> list[str]:
    parts = [
        f'<rect class="room" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>',
        _text("name", x + _PADDING, y + _TITLE - 3, room.name),
        _text("text size", x + width - _PADDING, y + _TITLE - 4, room.size),
    ]
    at = x + _PADDING + len(room.name) * 15 * _MONOSPACE + 10
    for library in room.libraries:
        parts += _chip("library", at, y + 9, library)
        at += _chip_width(library) + 6
    line = y + _TITLE + _LINE - 2
    for text in _wrapped(room.purpose, width):
        parts.append(_text("text", x + _PADDING, line, text))
        line += _LINE
    line -= _LINE - 10
    for row in _rows([sub_room.name for sub_room in room.sub_rooms], width - 2 * _PADDING):
        at = x + _PADDING
        for name in row:
            parts += _chip("chip", at, line, name)
            at += _chip_width(name) + 6
        line += _CHIP + 6
    return parts


def _wrapped(text: str, width: float) -> list[str]:
    return textwrap.wrap(text, int((width - 2 * _PADDING) / _SANS))


def _rows(names: list[str], width: float) -> list[list[str]]:
    """Chips of `names` in rows that fit into `width`."""
    rows: list[list[str]] = []
    taken = width
    for name in names:
        taken += _chip_width(name) + 6
        if taken > width:
            rows.append([])
            taken = _chip_width(name) + 6
        rows[-1].append(name)
    return rows


def _chip_width(name: str) -> float:
    return len(name) * 11 * _MONOSPACE + 14


def _chip(kind: str, x: float, y: float, name: str) -> list[str]:
    width = _chip_width(name)
    height = _CHIP if kind == "chip" else _CHIP - 3
    shape = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height}" rx="{height / 2:g}"'
    middle = _text(f"{kind}-text middle", x + width / 2, y + height / 2 + 4, name)
    return [f'<rect class="{kind}" {shape}/>', middle]


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>'
