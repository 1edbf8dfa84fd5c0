"""A check as GitHub's workflow commands: annotations on the config's file in a pull request.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.gate.check import Checked, Status
from gradscope.reporters.check import CHECK_FORMS, _wording
from gradscope.reporters.check.text import count
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import ReportOptions

MOST = 10
"""Annotations of one kind that GitHub shows per step; it drops the rest without a word."""

KINDS = {Status.FAILED: "error", Status.INCONCLUSIVE: "warning"}


@CHECK_FORMS.register("github")
def github(checked: Sequence[Checked], options: ReportOptions) -> str:
    """Render one command per check that did not pass, and a notice with the count."""
    del options
    lines: list[str] = []
    for kind in ("error", "warning"):
        found = [
            (one, title, text) for one in checked for k, title, text in _told(one) if k == kind
        ]
        lines += [_command(kind, one.source, title, text) for one, title, text in found[:MOST]]
    total = sum(1 for one in checked for _ in _told(one))
    more = f"; {total - len(lines)} more in the log" if total > len(lines) else ""
    lines.append(f"::notice title=gradscope::{_data(count(checked) + more)}")
    return "\n".join(lines) + "\n"


def _told(one: Checked) -> Iterator[tuple[str, str, str]]:
    """Kind, title and text of everything that is not fine; at least one unless it passed."""
    told = [check for check in one.checks if check.status in KINDS]
    for check in told:
        parts = [_wording.answer(check), check.evidence, _wording.check_remedy(check, one)]
        text = "\n".join(part for part in parts if part)
        yield KINDS[check.status], f"{one.name}: {check.name}", text
    if one.exit_code and not told:
        kind = "warning" if one.outcome == "inconclusive" else "error"
        text = f"{one.headline}\n{_wording.config_remedy(one)}".strip()
        yield kind, f"{one.name}: {one.outcome}", text


def _command(kind: str, file: str, title: str, text: str) -> str:
    return f"::{kind} file={_property(file)},line=1,title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    """Escaped as the runner unescapes it; what a log would obey is made visible first."""
    lines = "\n".join(printable(line) for line in text.split("\n"))
    return lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
