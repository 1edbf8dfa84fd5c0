"""All checks by code: findings in full, the passed in a line, the others grouped by reason."""

from __future__ import annotations

from collections import defaultdict

from gradscope.reporters.layout.lines import Page, symbol
from gradscope.reporters.report import Report
from gradscope.reporters.run import summary
from gradscope.reporters.run.summary import VerdictLine

_HEALTHY = "healthy"


def add_checks(page: Page, report: Report) -> None:
    """Put every check on the page."""
    page.add_heading("Checks")
    lines = sorted(summary.verdict_lines(report), key=lambda line: line.code)
    if not lines:
        page.add_text("no detector has judged this run", "warning", indent=2)
    for line in lines:
        if line.message:
            _add_finding(page, line)
    passed = [line for line in lines if not line.message and line.status == _HEALTHY]
    if passed:
        _add_group(page, _HEALTHY, f"{len(passed)} passed", passed)
    groups: dict[tuple[str, str, str], list[VerdictLine]] = defaultdict(list)
    for line in lines:
        if not line.message and line.status != _HEALTHY:
            groups[line.tone, line.status, line.reason].append(line)
    for (tone, status, reason), members in groups.items():
        _add_group(page, tone, f"{status} ({reason})" if reason else status, members)


def _add_finding(page: Page, line: VerdictLine) -> None:
    title = f"{symbol(line.tone, page.unicode)} {line.code} {line.name}: {line.status}"
    if line.reason:
        title += f" ({line.reason})"
    page.add_text(title, line.tone, hanging=2)
    page.add_text(line.message, indent=4)
    for fact in line.facts:
        page.add_text(f"{fact.label}: {fact.text}", indent=4, hanging=2)


def _add_group(page: Page, tone: str, title: str, members: list[VerdictLine]) -> None:
    names = ", ".join(f"{line.code} {line.name}" for line in members)
    page.add_text(f"{symbol(tone, page.unicode)} {title}: {names}", tone, hanging=2)
