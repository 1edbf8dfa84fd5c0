"""Columns are chosen, stretched and aligned for a width."""

from rich.text import Text

from gradscope.reporters.layout.lines import Page
from gradscope.reporters.layout.table import Column, add_beside, add_table, lay_out

NAMES = Column("layer", ["a", "conv_1"], key="name")
FIGURE = Column("rms", ["1.5", "12"], right=True, priority=2)
MORE = Column("update", ["1", "2"], right=True, priority=1)


def dashes(width):
    return ["-" * width, "-"]


BARS = Column("", draw=dashes, least=3, most=8, priority=3)


def lines(layout, indent=0):
    page = Page(width=60, color=False, unicode=True)
    add_table(page, layout, 2, indent=indent)
    return page.render().splitlines()


def test_what_fits_stands_in_its_order_and_is_aligned():
    assert lines(lay_out([NAMES, FIGURE, MORE], 40), indent=2) == [
        "  layer   rms  update",
        "  a       1.5       1",
        "  conv_1   12       2",
    ]


def test_the_largest_priority_goes_first():
    layout = lay_out([NAMES, FIGURE, MORE], 6 + 2 + 6)
    assert [column.heading for column in layout.columns] == ["layer", "update"]
    assert layout.absent == ("rms",)
    assert layout.fits
    assert layout.used == 14
    # One column less, and only the smaller of the two has room.
    assert lay_out([NAMES, FIGURE, MORE], 13).absent == ("update",)


def test_what_always_stays_may_not_fit():
    layout = lay_out([NAMES, FIGURE], 5)
    assert [column.heading for column in layout.columns] == ["layer"]
    assert not layout.fits


def test_an_elastic_column_takes_what_is_left_up_to_its_most():
    def width(room):
        layout = lay_out([NAMES, BARS], room)
        return layout.columns[-1].width if len(layout.columns) == 2 else 0

    assert [width(room) for room in (10, 11, 13, 16, 30)] == [0, 3, 5, 8, 8]
    two = lay_out([NAMES, BARS, BARS], 6 + 2 * 5 + 4)
    assert [column.width for column in two.columns] == [6, 5, 5]


def test_a_row_may_have_some_of_the_columns():
    layout = lay_out([NAMES, FIGURE], 40)
    assert layout.row(1, ("name",)).plain == "conv_1"
    assert layout.row(0).plain == "a       1.5"


def test_lines_stand_beside_and_below():
    page = Page(width=30, color=False, unicode=True)
    widths = []

    def write(width):
        widths.append(width)
        return ["first", "second"]

    add_beside(page, Text("row 1  "), write, "")
    assert page.render() == "row 1  first\n       second\n"
    assert widths == [23]
