"""The list of reports that `gradscope list` shows, as text or JSON, and where a report is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from gradscope.reporters.layout.lines import Page
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.layout.table import Column, add_table, lay_out
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.saved_runs import SavedRun

COMPLETE = "complete"


def location_text(folder: Path | None, earlier: Path | None) -> str:
    """One line: where the report is, and where the earlier one went."""
    moved = f" (the earlier one is now {earlier})" if earlier else ""
    return printable(f"report: {folder}{moved}")


def list_text(runs: Sequence[SavedRun], reports: Path, options: ReportOptions) -> str:
    """A row for each run, the newest first; columns that do not fit are left out."""
    if not runs:
        return f"no reports in {printable(str(reports))}: `gradscope run CONFIG` writes one\n"
    columns = [
        Column(
            "when",
            [run.written.astimezone().strftime("%Y-%m-%d %H:%M") for run in runs],
            priority=2,
        ),
        Column("folder", [printable(str(run.folder)) for run in runs]),
        Column("name", [printable(run.name) for run in runs], priority=6),
        Column(
            "steps", [f"{run.steps:,}" if run.name else "" for run in runs], right=True, priority=4
        ),
        Column("state", [_state(run) for run in runs]),
        Column("code", [run.code for run in runs], priority=1),
        Column("accuracy", [_percent(run.accuracy) for run in runs], right=True, priority=3),
        Column("settings", [_settings(run) for run in runs], priority=5),
    ]
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    add_table(page, lay_out(columns, options.width), len(runs))
    return page.render()


def _state(run: SavedRun) -> str:
    """The state of the network, after the outcome of the check that it is part of."""
    if run.damage:
        return "damaged"
    state = run.verdict if run.status == COMPLETE else f"{run.verdict} ({run.status})"
    return f"{run.outcome}: {state}" if run.outcome else state


def _settings(run: SavedRun) -> str:
    """The settings of the command line, or why the result cannot be read."""
    return printable(run.damage or " ".join(run.overrides or ()))


def _percent(accuracy: float | None) -> str:
    return "" if accuracy is None else f"{accuracy:.1%}"


def list_json(runs: Sequence[SavedRun], reports: Path, options: ReportOptions) -> str:
    """One JSON object with an item per run, the newest first; times are in UTC."""
    del options
    items = [
        asdict(run) | {"folder": str(run.folder), "written": run.written.isoformat()}
        for run in runs
    ]
    return json.dumps({"folder": str(reports), "reports": items}, indent=2) + "\n"


LIST_FORMS: Mapping[str, Callable[[Sequence[SavedRun], Path, ReportOptions], str]] = {
    "json": list_json,
    "text": list_text,
}
