"""Write the part of docs/design.md between its markers, and docs/house.svg.

Run it from the repository: ``python -m scripts.make_design_page``. Both are made from the import
contracts in pyproject.toml and the rooms' docstrings. A test compares them with the committed
files, numbers of files and lines aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.design.picture import picture
from scripts.design.rooms import ROOT, Room, contracts, floors

PAGE = ROOT / "docs" / "design.md"
PICTURE = ROOT / "docs" / "house.svg"
BEGIN = "<!-- made by scripts/make_design_page.py: begin -->"
END = "<!-- made by scripts/make_design_page.py: end -->"


def made() -> str:
    """The picture, the table of rooms and the list of contracts."""
    rows = [
        f"| {number} | {row}"
        for number, rooms in zip(reversed(range(len(floors()))), floors(), strict=True)
        for room in rooms
        for row in _rows(room, "")
    ]
    names = [f"- {contract['name']}." for contract in contracts()]
    return "\n".join(
        [
            "![The rooms of gradscope, floor above floor](house.svg)",
            "",
            "| floor | room | purpose | size |",
            "|---|---|---|---|",
            *rows,
            "",
            "What `lint-imports` holds:",
            "",
            *names,
        ]
    )


def page(text: str) -> str:
    """`text` with the part between the markers replaced; the rest is written by hand."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks a marker")
    return f"{before}{BEGIN}\n{made()}\n{END}{after}"


def without_sizes(text: str) -> str:
    """`text` without the numbers of files and lines, which change with every commit."""
    return re.sub(r"\d+ files?, [\d,]+ lines", "", text)


def _rows(room: Room, parent: str) -> Iterator[str]:
    name = f"{parent}{room.name}"
    yield f"`{name}` | {room.purpose} | {room.size} |"
    for sub_room in room.sub_rooms:
        yield from _rows(sub_room, name)


if __name__ == "__main__":
    PICTURE.write_text(picture(floors()), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
