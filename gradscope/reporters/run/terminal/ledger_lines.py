"""The ledger of the draws in characters: as many columns as fit."""

from __future__ import annotations

from gradscope.reporters.layout.lines import Page, shortened
from gradscope.reporters.layout.table import Column, lay_out
from gradscope.reporters.run.expected_start import StartTable

_LONGEST_NAME = 26
_MOST_BLOCKS = 8
_PRIORITIES = {
    "fed": 4,
    "weights": 2,
    "activation": 3,
    "gain": 0,
    "closed form": 5,
    "gives": 1,
    "back": 1,
}


def add_ledger(page: Page, start: StartTable) -> None:
    """Put the ledger, the blocks and the weights that are off on the page; nothing without draws.

    Of the layers' own weights only those outside their band have a line: the page and result.json
    have all.
    """
    if not start.rows:
        return
    page.add_heading(start.title)
    for sentence in start.sentences:
        page.add_text(sentence, hanging=2)
    rows = start.shown
    columns = [Column("layer", [shortened(row.name, _LONGEST_NAME, page.unicode) for row in rows])]
    columns += [
        Column(heading, [row.cells[at] for row in rows], True, _PRIORITIES[heading])
        for at, heading in enumerate(start.headings)
    ]
    layout = lay_out(columns, page.width)
    page.add_text(layout.heading(), "title")
    for position in range(len(rows)):
        page.add_line(layout.row(position))
    page.add_text(start.legend, "dim")
    if start.blocks:
        shares = [f"{name} {added}" for name, *_, added, _ in start.blocks[:_MOST_BLOCKS]]
        left_out = len(start.blocks) - len(shares)
        more = f" and {left_out} more" if left_out else ""
        page.add_text(f"Branches add, E F^2 / E x^2: {', '.join(shares)}{more}.", hanging=2)
    off = [line for line in start.weights if line.outside]
    for line in off:
        size, forward, backward = line.cells
        page.add_text(
            f"{line.name}: size {size}, forward {forward}, backward {backward}",
            "warning",
            hanging=2,
        )
    judged = len({line.name for line in start.weights})
    if judged and not off:
        page.add_text(f"The own weights of {judged} layers are as their initializers draw them.")
