"""A check as GitHub's workflow commands: annotations on the config's file in a pull request.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.gate.check import Checked, Status
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.layout.sanitizing import printable_lines
from gradscope.reporters.report import ReportOptions

MOST = 10
"""Annotations of one kind that GitHub shows per step; it drops the others and does not say so."""

KINDS = {Status.FAILED: "error", Status.INCONCLUSIVE: "warning"}


@CHECK_FORMS.register("github")
def github(checked: Sequence[Checked], options: ReportOptions) -> str:
    """Render one command per check that did not pass, and a notice with the count."""
    del options
    lines: list[str] = []
    for kind in ("error", "warning"):
        commands = [
            _command(kind, config.source, title, text)
            for config in checked
            for annotation_kind, title, text in _annotations(config)
            if annotation_kind == kind
        ]
        lines += commands[:MOST]
    total = sum(1 for config in checked for _ in _annotations(config))
    more = f"; {total - len(lines)} more in the log" if total > len(lines) else ""
    lines.append(f"::notice title=gradscope::{_data(check_text.outcome_counts(checked) + more)}")
    return "\n".join(lines) + "\n"


def _annotations(config: Checked) -> Iterator[tuple[str, str, str]]:
    """Kind, title and text of every check that did not pass; of the config where none says so."""
    checks = [check for check in config.checks if check.status in KINDS]
    for check in checks:
        parts = [check_text.answer(check), check.evidence, check_text.check_remedy(check, config)]
        text = "\n".join(part for part in parts if part)
        yield KINDS[check.status], f"{config.name}: {check.name}", text
    if config.exit_code and not checks:
        kind = "warning" if config.outcome == "inconclusive" else "error"
        text = f"{config.headline}\n{check_text.config_remedy(config)}".strip()
        yield kind, f"{config.name}: {config.outcome}", text


def _command(kind: str, file: str, title: str, text: str) -> str:
    return f"::{kind} file={_property(file)},line=1,title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    """Escaped as the runner unescapes it; control characters are made visible first."""
    return printable_lines(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
