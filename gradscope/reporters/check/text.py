"""A check in a terminal: the outcome first, each check on its line, then the layers that differ."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from gradscope.gate.check import Check, Checked, Status
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.layout.character_plots import LogScale, log_heights, strip
from gradscope.reporters.layout.lines import STYLES, Page, shortened, symbol
from gradscope.reporters.layout.numbers import short
from gradscope.reporters.layout.sanitizing import inert_in_logs, printable, printable_lines
from gradscope.reporters.layout.table import Column, add_table, lay_out
from gradscope.reporters.remedies.wording import PYTEST_UPDATE
from gradscope.reporters.report import ReportOptions

LONGEST_NAME, SHORTEST_NAME = 32, 12
STRIP = 40
"""Columns of a curve over depth."""

NARROW = 60
"""Columns of a terminal below which commands are not indented to the text above them."""

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
    """Render one config in full; of several a summary, and in full each that did not pass."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    if len(checked) == 1:
        _add_config(page, checked[0], options.pytest)
        return page.render()
    for config in checked:
        tone = OUTCOME_TONES[config.outcome]
        title = f"{symbol(tone, page.unicode)} {config.outcome.upper()}: {_safe(config.source)}"
        page.add_text(title, tone, hanging=2)
        page.add_text(_safe_lines(config.headline), indent=2)
    for config in checked:
        if config.exit_code:
            page.add_text("")
            _add_config(page, config, options.pytest)
    page.add_text("")
    page.add_text(check_text.outcome_counts(checked), "title")
    return page.render()


def _safe(name: str) -> str:
    r"""A name without control characters and CI commands: ``::error`` is ``\x3a:error``."""
    return _safe_lines(printable(name))


def _safe_lines(text: str) -> str:
    """The same for sentences, whose line feeds are kept."""
    return inert_in_logs(printable_lines(text))


def _add_config(page: Page, config: Checked, pytest: bool) -> None:
    tone = OUTCOME_TONES[config.outcome]
    sign = symbol(tone, page.unicode)
    title = f"{sign} {config.outcome.upper()}: {_safe(config.name)} ({_safe(config.source)})"
    page.add_text(title, tone, hanging=2)
    if config.headline not in {f"{check.name}: {check.sentence}" for check in config.checks}:
        page.add_text(_safe_lines(config.headline), "title", indent=2)
    remedy = check_text.config_remedy(config, pytest=pytest)
    remedies = [check_text.check_remedy(check, config, pytest=pytest) for check in config.checks]
    if remedy and remedy not in remedies:
        page.add_text(f"Try: {_safe_lines(remedy)}", indent=2, hanging=5)
    if config.evidence:
        page.add_text(_safe_lines(config.evidence), "dim", indent=2)
    _add_curves(page, config)
    shown: set[str] = set()
    consequences = _consequences(config)
    for check, advice in zip(config.checks, remedies, strict=True):
        if check not in consequences:
            _add_check(page, check)
            if advice and check.status is not Status.PASSED and advice not in shown:
                _add_remedy(page, check, advice, config)
                shown.add(advice)
    _add_consequences(page, consequences)
    if config.changes:
        page.add_heading("Changed since the baseline")
        for change in config.changes:
            page.add_text(_safe_lines(change), indent=2, hanging=2)
    files = {"baseline": config.baseline, "report": config.folder}
    if any(files.values()):
        page.add_heading("Files")
        for name, path in files.items():
            if path:
                page.add_text(f"{name:<8}  {_safe(path)}", indent=2, hanging=2)


def _add_curves(page: Page, config: Checked) -> None:
    """The gradient over depth in the baseline and now, one above the other on one scale."""
    lead = check_text.leading_check(config)
    curves = check_text.curves_of(config, lead)[:1] if config.exit_code else ()
    for both in curves:
        sides = {"baseline": both.before.typical, "now": both.after.typical}
        scale = LogScale.covering([*sides["baseline"], *sides["now"]])
        width = max(4, min(STRIP, page.width - 12))
        ends = " to ".join(shortened(_safe(name), 24, page.unicode) for name in _ends(both.layers))
        moment = "in training" if both.trained else "at initialisation"
        page.add_text(f"gradient over that of the output, {moment}, {ends}", "dim", indent=2)
        for name, values in sides.items():
            drawn = strip(log_heights(values, scale), width, page.unicode)
            line = Text(f"  {name:<9}").append(drawn, STYLES["info" if name == "now" else "dim"])
            figures = f"  {short(values[0])} to {short(values[-1])}"
            page.add_line(
                line.append(figures if line.cell_len + len(figures) <= page.width else "")
            )


def _ends(names: Sequence[str]) -> Sequence[str]:
    return names[:1] if len(names) < 2 else (names[0], names[-1])


def _add_check(page: Page, check: Check) -> None:
    tone = TONES[check.status]
    title = f"{symbol(tone, page.unicode)} {_safe(check.name)}: "
    if check.status in (Status.SKIPPED, Status.INCONCLUSIVE):
        title += f"{check.status}: "
    page.add_text(title + _safe_lines(check_text.answer(check)), tone, indent=2, hanging=2)
    if check.evidence:
        page.add_text(_safe_lines(check.evidence), "dim", indent=4)
    if check.differences:
        _add_differences(page, check)


def _add_remedy(page: Page, check: Check, advice: str, config: Checked) -> None:
    """What to do; a command that measures the baseline anew pastes as it stands."""
    update = check_text.update_of(check)
    if update is None or PYTEST_UPDATE in advice:
        page.add_text(f"Try: {_safe_lines(advice)}", indent=4, hanging=5)
        return
    failed = check.status is Status.FAILED
    page.add_text("Try: undo the change; if it is intended:" if failed else "Try:", indent=4)
    command = [_safe(part) for part in check_text.update_command(update, config)]
    page.add_command(command, indent=8 if page.width >= NARROW else 2)


def _consequences(config: Checked) -> list[Check]:
    """The new errors that follow from another new one; an accepted cause explains nothing here."""
    codes = {check.code for check in config.checks if check.code}
    return [check for check in config.checks if check.caused_by and check.caused_by in codes]


def _add_consequences(page: Page, consequences: Sequence[Check]) -> None:
    """A line for each cause, without advice."""
    for cause in dict.fromkeys(check.caused_by for check in consequences):
        names = [_safe(check.name) for check in consequences if check.caused_by == cause]
        text = f"{symbol('error', page.unicode)} follow from {_safe(cause)}: {', '.join(names)}"
        page.add_text(text, "error", indent=2, hanging=2)


def _add_differences(page: Page, check: Check) -> None:
    """A table, or a line per figure where the terminal is too narrow for one."""
    cells = [tuple(map(_safe, row)) for row in check_text.difference_rows(check)]
    columns = [
        Column(heading, column, right=position in (2, 3))
        for position, (heading, column) in enumerate(
            zip(check_text.difference_headings(check), zip(*cells, strict=True), strict=True)
        )
    ]
    columns[1] = _elastic(columns[1], page)
    layout = lay_out(columns, page.width - 4)
    if not layout.fits:
        layout = lay_out(columns, page.width - 4, gap=1)
    if layout.fits:
        add_table(page, layout, len(cells), indent=4, tone="dim")
    else:
        for row in cells:
            figures = f"{row[2]} -> {row[3]}, {row[4]} ({row[5]} over the seeds)"
            page.add_text(f"{row[0]} of {row[1]}: {figures}", indent=4, hanging=2)
    rest = check_text.differences_left_out(check)
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
