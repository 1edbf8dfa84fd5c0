"""Results as tables: in the terminal, and between the marks of the README."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table as RichTable

ABSENT = "-"


@dataclass
class Table:
    """A title, the heads of its columns, and rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def row(self, *cells: str) -> None:
        """Add a row."""
        assert len(cells) == len(self.columns)
        self.rows.append(cells)

    def markdown(self) -> str:
        """The table in GitHub's Markdown."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"**{self.title}**\n\n{body}\n"

    def rich(self) -> RichTable:
        """The table for a terminal."""
        shown = RichTable(title=self.title, title_justify="left")
        for place, column in enumerate(self.columns):
            shown.add_column(column.replace("`", ""), justify="right" if place else "left")
        for row in self.rows:
            shown.add_row(*row)
        return shown


def cell(spread: Mapping[str, float], target: float | None = None) -> str:
    """A ratio with its quartiles; beside a target, whether the median meets it."""
    text = f"{spread['median']:.2f} ({spread['low']:.2f}-{spread['high']:.2f})"
    if target is None:
        return text
    return f"{text}, {'met' if spread['median'] <= target else 'missed'}: {target:g}"


def milliseconds(contender: Mapping[str, Any] | None) -> str:
    """The median processor time of a step."""
    return f"{contender['cpu_ms']['median']:.3g}" if contender else ABSENT


def seconds(value: float | None) -> str:
    """A duration."""
    return ABSENT if value is None else f"{value:.2f} s"


def described(result: Mapping[str, Any]) -> str:
    """One sentence about where, when and how a part was measured."""
    machine, versions = result["machine"], result["versions"]
    loads = [load for each in result["results"] for load in each.get("load", ())]
    counts = {each.get("rounds", result["rounds"]) for each in result["results"]}
    rounds = " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
    busy = f"load average {min(loads):g} to {max(loads):g}, " if loads else ""
    return (
        f"{result['date'][:10]}, commit {result['commit']}, {machine['cpu']}, {machine['cores']} "
        f"cores, {busy}{rounds} rounds, Python {versions['python']}, TensorFlow "
        f"{versions['tensorflow']}, Keras {versions['keras']}."
    )


def filled(text: str, sections: Mapping[str, str]) -> str:
    """`text` with what stands between the marks of each section replaced."""
    for name, body in sections.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"no marks {start} and {end}")
        before, after = pattern.split(text, maxsplit=1)
        text = f"{before}{start}\n{body}\n{end}{after}"
    return text
