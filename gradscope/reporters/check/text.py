"""A check in a terminal: the answer first, every check on its line, then the layers that differ."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from rich.cells import cell_len

from gradscope.gate.check import Check, Checked, Status
from gradscope.reporters.check import CHECK_FORMS, _differences, _wording
from gradscope.reporters.layout.lines import Page, shortened, symbol
from gradscope.reporters.layout.numbers import plural
from gradscope.reporters.layout.sanitizing import printable, printable_lines
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
        _add_config(page, checked[0], options.pytest)
        return page.render()
    for one in checked:
        tone = OUTCOME_TONES[one.outcome]
        told = f"{symbol(tone, page.unicode)} {one.outcome.upper()}: {_name(one.source)}"
        page.add(told, tone, hanging=2)
        page.add(_words(one.headline), indent=2)
    for one in checked:
        if one.exit_code:
            page.add("")
            _add_config(page, one, options.pytest)
    page.add("")
    page.add(count(checked), "title")
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


def _add_config(page: Page, one: Checked, pytest: bool) -> None:
    tone = OUTCOME_TONES[one.outcome]
    sign = symbol(tone, page.unicode)
    told = f"{sign} {one.outcome.upper()}: {_name(one.name)} ({_name(one.source)})"
    page.add(told, tone, hanging=2)
    if one.headline not in {f"{check.name}: {check.sentence}" for check in one.checks}:
        page.add(_words(one.headline), "title", indent=2)
    remedy = _wording.config_remedy(one, pytest=pytest)
    remedies = [_wording.check_remedy(check, one, pytest=pytest) for check in one.checks]
    if remedy and remedy not in remedies:
        page.add(f"Try: {_words(remedy)}", indent=2, hanging=5)
    if one.evidence:
        page.add(_words(one.evidence), "dim", indent=2)
    for check, advice in zip(one.checks, remedies, strict=True):
        _add_check(page, check, advice)
    if one.changes:
        page.title("Changed since the baseline")
        for change in one.changes:
            page.add(_words(change), indent=2, hanging=2)
    files = {"baseline": one.baseline, "report": one.folder}
    if any(files.values()):
        page.title("Files")
        for name, path in files.items():
            if path:
                page.add(f"{name:<8}  {_name(path)}", indent=2, hanging=2)


def _add_check(page: Page, check: Check, remedy: str) -> None:
    tone = TONES[check.status]
    words = f"{symbol(tone, page.unicode)} {_name(check.name)}: "
    if check.status in (Status.SKIPPED, Status.INCONCLUSIVE):
        words += f"{check.status}: "
    page.add(words + _words(_wording.answer(check)), tone, indent=2, hanging=2)
    if check.evidence:
        page.add(_words(check.evidence), "dim", indent=4)
    if check.differences:
        _add_differences(page, check)
    if remedy and check.status is not Status.PASSED:
        page.add(f"Try: {_words(remedy)}", indent=4, hanging=5)


def _add_differences(page: Page, check: Check) -> None:
    """A table, or a line per figure where the terminal is too narrow for one."""
    cells = [tuple(map(_name, row)) for row in _differences.rows(check)]
    rows = [_differences.headings(check), *cells]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(rows[0]))]
    room = page.width - 4 - 2 * (len(widths) - 1) - (sum(widths) - widths[1])
    if room < min(SHORTEST_NAME, widths[1]):
        for row in cells:
            figures = f"{row[2]} -> {row[3]}, {row[4]} ({row[5]} over the seeds)"
            page.add(f"{row[0]} of {row[1]}: {figures}", indent=4, hanging=2)
    else:
        widths[1] = min(widths[1], room, LONGEST_NAME)
        for place, row in enumerate(rows):
            short = (row[0], shortened(row[1], widths[1], page.unicode), *row[2:])
            padded = [
                cell.rjust(width) if i in (2, 3) else cell + " " * (width - cell_len(cell))
                for i, (cell, width) in enumerate(zip(short, widths, strict=True))
            ]
            page.add("  ".join(padded).rstrip(), "dim" if place == 0 else "", indent=4)
    rest = _differences.left_out(check.differences)
    if rest:
        page.add(rest, indent=4)
