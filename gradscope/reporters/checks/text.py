"""A check in a terminal: the answer first, every check on its line, then the layers that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.cells import cell_len

from gradscope.gate.checks import Check, Checked, Difference, Status
from gradscope.reporters.checks import CHECK_FORMS
from gradscope.reporters.lines import Page, shortened, symbol
from gradscope.reporters.numbers import number
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.sanitizing import printable, printable_lines

MOST_ROWS = 8
"""Rows of a table of differences: the first layer that differs is the one to look at."""

LONGEST_NAME = 32
TONES = {
    Status.PASSED: "healthy",
    Status.FAILED: "error",
    Status.INCONCLUSIVE: "inconclusive",
    Status.SKIPPED: "skipped",
}
OUTCOME_TONES = {
    "passed": "healthy",
    "failed": "error",
    "inconclusive": "inconclusive",
    "not measured": "crashed",
}


@CHECK_FORMS.register("text")
def text(checked: Sequence[Checked], options: ReportOptions) -> str:
    """Render all configs: one alone in full; of several a summary, and in full what is not fine."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    if len(checked) == 1:
        _add_config(page, checked[0])
        return page.render()
    for one in checked:
        tone = OUTCOME_TONES[one.outcome]
        told = f"{symbol(tone, page.unicode)} {one.outcome.upper()}: {printable(one.source)}"
        page.add(told, tone, hanging=2)
        page.add(printable_lines(one.headline), indent=2)
    for one in checked:
        if one.exit_code:
            page.add("")
            _add_config(page, one)
    page.add("")
    page.add(count(checked), "title")
    return page.render()


def count(checked: Sequence[Checked]) -> str:
    """``3 passed, 1 failed of 4 configs``."""
    counted = Counter(one.outcome for one in checked)
    told = ", ".join(f"{counted[name]} {name}" for name in OUTCOME_TONES if counted[name])
    return f"{told} of {len(checked)} configs"


def _add_config(page: Page, one: Checked) -> None:
    tone = OUTCOME_TONES[one.outcome]
    sign = symbol(tone, page.unicode)
    page.add(f"{sign} {one.outcome.upper()}: {printable(one.name)} ({printable(one.source)})", tone)
    if not one.checks:
        page.add(printable_lines(one.headline), indent=2)
        page.add(printable_lines(one.remedy), indent=2)
        return
    if one.evidence:
        page.add(printable(one.evidence), "dim", indent=2)
    for check in one.checks:
        _add_check(page, check)
    if one.changes:
        page.title("Changed since the baseline")
        for change in one.changes:
            page.add(printable(change), indent=2, hanging=2)
    files = {"baseline": one.baseline, "report": one.folder}
    if any(files.values()):
        page.title("Files")
        for name, path in files.items():
            if path:
                page.add(f"{name:<8}  {printable(path)}", indent=2, hanging=10)


def _add_check(page: Page, check: Check) -> None:
    tone = TONES[check.status]
    words = f"{symbol(tone, page.unicode)} {printable(check.name)}: "
    if check.status in (Status.SKIPPED, Status.INCONCLUSIVE):
        words += f"{check.status}: "
    page.add(words + printable_lines(check.sentence), tone, indent=2, hanging=2)
    if check.evidence:
        page.add(printable_lines(check.evidence), "dim", indent=4)
    _add_differences(page, check.differences)
    if check.remedy and check.status is not Status.PASSED:
        page.add(f"Try: {printable_lines(check.remedy)}", indent=4, hanging=5)


def _add_differences(page: Page, differences: Sequence[Difference]) -> None:
    """A table, or a line per figure where the terminal is too narrow for one."""
    shown = differences[:MOST_ROWS]
    if len(shown) < 2:
        return
    rows = [("figure", "layer", "baseline", "now", "change", "over the seeds")]
    rows += [
        (
            one.quantity,
            shortened(printable(one.layer), LONGEST_NAME, page.unicode) or "all",
            number(one.before),
            number(one.after),
            one.effect,
            one.interval if one.interval != one.effect else "the same",
        )
        for one in shown
    ]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(rows[0]))]
    if sum(widths) + 2 * len(widths) + 2 > page.width:
        for row in rows[1:]:
            page.add(f"{row[0]} of {row[1]}: {row[2]} -> {row[3]}, {row[4]}", indent=4, hanging=2)
    else:
        for place, row in enumerate(rows):
            cells = [
                cell.rjust(width) if i in (2, 3) else cell + " " * (width - cell_len(cell))
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            page.add("  ".join(cells).rstrip(), "dim" if place == 0 else "", indent=4)
    left = len(differences) - len(shown)
    if left:
        page.add(f"and {left} more", indent=4)
