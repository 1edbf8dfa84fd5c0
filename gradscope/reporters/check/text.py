"""A check in a terminal: the answer first, every check on its line, then the layers that differ."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from gradscope.gate.check import Check, Checked, Status
from gradscope.reporters.check import CHECK_FORMS, _differences
from gradscope.reporters.layout.lines import Page, shortened, symbol
from gradscope.reporters.layout.numbers import plural
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.layout.table import Column, add_table, lay_out
from gradscope.reporters.report import ReportOptions

LONGEST_NAME, SHORTEST_NAME = 32, 12
COMMAND = re.compile(r"(?:(?<=\s)|^):(?=:)|#(?=#\[)")
"""What the log of a CI obeys: ``::`` at the start of a line, ``##[`` anywhere (GitHub, Azure)."""

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
        told = f"{symbol(tone, page.unicode)} {one.outcome.upper()}: {_name(one.source)}"
        page.add_text(told, tone, hanging=2)
        page.add_text(_words(one.headline), indent=2)
    for one in checked:
        if one.exit_code:
            page.add_text("")
            _add_config(page, one)
    page.add_text("")
    page.add_text(count(checked), "title")
    return page.render()


def count(checked: Sequence[Checked]) -> str:
    """Say how many came to what: ``3 passed, 1 failed of 4 configs``."""
    counted = Counter(one.outcome for one in checked)
    told = ", ".join(f"{counted[name]} {name}" for name in OUTCOME_TONES if counted[name])
    return f"{told} of {plural(len(checked), 'config')}"


def _name(name: str) -> str:
    r"""A name on one line that neither a screen nor a CI obeys: ``::error`` is ``\x3a:error``."""
    return _words(printable(name))


def _words(words: str) -> str:
    """The same for sentences, whose line feeds are kept."""
    return COMMAND.sub(lambda sign: f"\\x{ord(sign[0]):02x}", printable_lines(words))


def _add_config(page: Page, one: Checked) -> None:
    tone = OUTCOME_TONES[one.outcome]
    sign = symbol(tone, page.unicode)
    told = f"{sign} {one.outcome.upper()}: {_name(one.name)} ({_name(one.source)})"
    page.add_text(told, tone, hanging=2)
    if one.headline not in {f"{check.name}: {check.sentence}" for check in one.checks}:
        page.add_text(_words(one.headline), "title", indent=2)
    if one.remedy and one.remedy not in {check.remedy for check in one.checks}:
        page.add_text(f"Try: {_words(one.remedy)}", indent=2, hanging=5)
    if one.evidence:
        page.add_text(_words(one.evidence), "dim", indent=2)
    for check in one.checks:
        _add_check(page, check)
    if one.changes:
        page.add_heading("Changed since the baseline")
        for change in one.changes:
            page.add_text(_words(change), indent=2, hanging=2)
    files = {"baseline": one.baseline, "report": one.folder}
    if any(files.values()):
        page.add_heading("Files")
        for name, path in files.items():
            if path:
                page.add_text(f"{name:<8}  {_name(path)}", indent=2, hanging=2)


def _add_check(page: Page, check: Check) -> None:
    tone = TONES[check.status]
    words = f"{symbol(tone, page.unicode)} {_name(check.name)}: "
    if check.status in (Status.SKIPPED, Status.INCONCLUSIVE):
        words += f"{check.status}: "
    page.add_text(words + _words(check.sentence), tone, indent=2, hanging=2)
    if check.evidence:
        page.add_text(_words(check.evidence), "dim", indent=4)
    if check.differences:
        _add_differences(page, check)
    if check.remedy and check.status is not Status.PASSED:
        page.add_text(f"Try: {_words(check.remedy)}", indent=4, hanging=5)


def _add_differences(page: Page, check: Check) -> None:
    """A table, or a line per figure where the terminal is too narrow for one."""
    cells = [tuple(map(_name, row)) for row in _differences.rows(check)]
    columns = [
        Column(heading, column, right=position in (2, 3))
        for position, (heading, column) in enumerate(
            zip(_differences.headings(check), zip(*cells, strict=True), strict=True)
        )
    ]
    columns[1] = _elastic(columns[1], page)
    layout = lay_out(columns, page.width - 4)
    if layout.fits:
        add_table(page, layout, len(cells), indent=4, tone="dim")
    else:
        for row in cells:
            figures = f"{row[2]} -> {row[3]}, {row[4]} ({row[5]} over the seeds)"
            page.add_text(f"{row[0]} of {row[1]}: {figures}", indent=4, hanging=2)
    rest = _differences.left_out(check.differences)
    if rest:
        page.add_text(rest, indent=4)


def _elastic(names: Column, page: Page) -> Column:
    """The column of layer names, shortened where the page is narrow."""
    cells, width = names.cells, names.width

    def draw(width: int) -> list[str]:
        return [shortened(name, width, page.unicode) for name in cells]

    return Column(
        names.heading,
        draw=draw,
        least=min(SHORTEST_NAME, width),
        most=min(LONGEST_NAME, width),
    )
