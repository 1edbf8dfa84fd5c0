"""The weights in characters: as many columns as fit, or a list where too few do."""

from __future__ import annotations

from gradscope.record import RunRecord
from gradscope.reporters.layout.lines import Page, shortened
from gradscope.reporters.layout.numbers import number, ratio, span
from gradscope.reporters.layout.table import NARROWEST_TABLE, Column, add_table, lay_out
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.tables.weight_table import (
    NORM_TITLE,
    TITLE,
    NormRow,
    WeightRow,
    WeightTable,
    ratio_text,
    weight_table,
)

_LONGEST_NAME = 24
_MOST_NORMS = 12


def weight_text(record: RunRecord, options: ReportOptions) -> str:
    """The tables alone, for `gradscope show --weights`."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    table = weight_table(record)
    if not table.rows and not table.norms:
        return "the record has no initial weights: it is of an earlier version, or has no matrix\n"
    add_weights(page, table)
    return page.render().lstrip("\n")


def add_weights(page: Page, table: WeightTable) -> None:
    """Put the tables of weights and of batch norms on the page; nothing where both are empty."""
    if table.rows:
        page.add_heading(TITLE)
        if page.width < NARROWEST_TABLE:
            _add_items(page, table)
        else:
            _add_columns(page, table)
        page.add_text(table.legend, "dim")
    if table.norms:
        page.add_heading(NORM_TITLE)
        _add_norms(page, table.norms)


def _add_columns(page: Page, table: WeightTable) -> None:
    entries = table.folded
    rows = [entry for entry in entries if isinstance(entry, WeightRow)]
    columns = [
        Column("layer", [shortened(row.name, _LONGEST_NAME, page.unicode) for row in rows]),
        Column("initializer", [row.initializer for row in rows], priority=3),
        Column("n", [f"{row.count:,}" for row in rows], True, 4),
        Column("variance", [number(row.variance) for row in rows], True),
        Column("promised", [number(row.promised) for row in rows], True),
        Column("ratio", [ratio_text(row.ratio) for row in rows], True),
        Column("within", [row.interval for row in rows], priority=1),
        Column("limit", [number(row.limit) for row in rows], True, 5),
        Column("largest", [number(row.reach) for row in rows], True, 6),
        Column("now", [ratio(row.now) for row in rows], True, 2),
    ]
    layout = lay_out(columns, page.width)
    page.add_text(layout.heading(), "title")
    position = 0
    for entry in entries:
        if not isinstance(entry, WeightRow):
            page.add_text(entry.text, "dim", indent=1, hanging=4)
            continue
        page.add_line(layout.row(position))
        position += 1
        if entry.state:
            page.add_text(entry.state, "warning", indent=2, hanging=2)
    if layout.absent:
        page.add_text(f"no room at this width for {', '.join(layout.absent)}", "dim")


def _add_items(page: Page, table: WeightTable) -> None:
    """The list for narrow terminals."""
    for entry in table.folded:
        if not isinstance(entry, WeightRow):
            page.add_text(entry.text, "dim", hanging=2)
            continue
        page.add_text(f"{entry.name} ({entry.initializer})", "title", hanging=2)
        figures = f"variance {number(entry.variance)}, promised {number(entry.promised)}"
        page.add_text(figures, indent=2, hanging=2)
        page.add_text(
            f"ratio {ratio_text(entry.ratio)}, within {entry.interval}, "
            f"limit {number(entry.limit)}, now {ratio(entry.now)}",
            indent=2,
            hanging=2,
        )
        if entry.state:
            page.add_text(entry.state, "warning", indent=2, hanging=2)


def _add_norms(page: Page, norms: tuple[NormRow, ...]) -> None:
    if len(norms) > _MOST_NORMS:
        figures = ", ".join(
            f"{label} {span([getattr(norm, name) for norm in norms])}"
            for label, name in (
                ("gamma mean", "gamma_mean"),
                ("gamma rms", "gamma_rms"),
                ("beta rms", "beta_rms"),
            )
        )
        page.add_text(f"{len(norms)} batch norms: {figures}")
        return
    columns = [
        Column("layer", [shortened(norm.name, _LONGEST_NAME, page.unicode) for norm in norms]),
        Column("gamma mean", [number(norm.gamma_mean) for norm in norms], True),
        Column("gamma rms", [number(norm.gamma_rms) for norm in norms], True, 1),
        Column("beta rms", [number(norm.beta_rms) for norm in norms], True),
    ]
    add_table(page, lay_out(columns, page.width), len(norms))
