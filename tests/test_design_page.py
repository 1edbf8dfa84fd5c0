"""The page about the design shows the rooms as the contracts and the docstrings name them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from scripts.design.picture import picture
from scripts.design.rooms import ROOT, contracts, floors
from scripts.make_design_page import BEGIN, END, PAGE, PICTURE, page, without_sizes

COMMAND = "run python -m scripts.make_design_page"


def test_the_page_is_current() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert without_sizes(written) == without_sizes(page(written)), COMMAND


def test_the_picture_is_current() -> None:
    written = PICTURE.read_text(encoding="utf-8")
    assert without_sizes(written) == without_sizes(picture(floors())), COMMAND
    ElementTree.fromstring(written)


def test_every_room_is_on_it() -> None:
    rooms = [room for floor in floors() for room in floor]
    files = {path.name for path in (ROOT / "gradscope").glob("*.py")} - {"__main__.py"}
    packages = {path.parent.name for path in (ROOT / "gradscope").glob("*/__init__.py")}
    assert {room.name for room in rooms} == (
        {f"{name}/" for name in packages} | files - {"__init__.py"}
    )
    written = PAGE.read_text(encoding="utf-8")
    for room in rooms:
        assert room.purpose, room.name
        assert f"| `{room.name}` | {room.purpose} |" in written
        for sub_room in room.sub_rooms:
            assert sub_room.purpose, sub_room.name
            assert f"| `{room.name}{sub_room.name}` | " in written
    assert all(f"- {contract['name']}.\n" in written for contract in contracts())


def test_libraries_are_those_that_a_room_imports() -> None:
    libraries = {room.name: room.libraries for floor in floors() for room in floor}
    assert libraries["runner/"] == ("keras", "tensorflow")
    assert libraries["theory/"] == ()


def test_what_is_written_by_hand_stays() -> None:
    text = f"before\n{BEGIN}\nan earlier table | 3 files, 1,200 lines |\n{END}\nafter\n"
    made = page(text)
    assert made.startswith(f"before\n{BEGIN}\n![")
    assert made.endswith(f"\n{END}\nafter\n")
    assert "an earlier table" not in made
    assert without_sizes("a | 1 file, 300 lines | b") == "a |  | b"
    with pytest.raises(ValueError, match="lacks a marker"):
        page("no markers")
