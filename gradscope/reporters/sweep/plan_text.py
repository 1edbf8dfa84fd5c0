"""A sweep before anything is measured: its members, and what they will cost."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.config.sweep.members import SweepPlan
from gradscope.message_text import counted
from gradscope.reporters.layout.lines import Page, shortened
from gradscope.reporters.layout.numbers import duration, number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.layout.table import Column, add_table, lay_out
from gradscope.reporters.report import ReportOptions

MOST_LISTED = 40


@dataclass(frozen=True)
class SweepCost:
    """What a sweep will cost: members left to measure, networks to trace, and one measured member.

    `first_seconds` and `next_seconds` are the wall times of a member that builds its network and of
    one that uses it again, `peak_bytes` the largest memory of the worker; None where no member was
    measured. `record_bytes` is the size of its record.
    """

    members: int
    finished: int
    graphs: int
    workers: int
    first_seconds: float | None = None
    next_seconds: float | None = None
    peak_bytes: int | None = None
    record_bytes: int | None = None

    @property
    def seconds(self) -> float | None:
        """The estimate of the wall time of what is left, after the workers have started."""
        if self.first_seconds is None or self.next_seconds is None:
            return None
        left = self.members - self.finished
        built = min(self.graphs, left)
        total = built * self.first_seconds + (left - built) * self.next_seconds
        return total / self.workers


def plan_text(plan: SweepPlan, cost: SweepCost, options: ReportOptions) -> str:
    """List the members, and say what they will cost."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    page.add_text(f"Sweep {printable(plan.name)}: {counted(cost.members, 'member')}", "title")
    for line in _cost_lines(cost):
        page.add_text(line, indent=2, hanging=2)
    page.add_heading("Members")
    members = plan.members[:MOST_LISTED]
    columns = [Column("#", [str(m.number) for m in members], right=True)]
    for position, axis in enumerate(plan.axes):
        cells = [shortened(printable(m.labels[position]), 30, page.unicode) for m in members]
        columns.append(Column(printable(axis.name), cells))
    columns.append(Column("seed", [str(m.seed) for m in members], right=True))
    add_table(page, lay_out(columns, page.width - 2), len(members), indent=2)
    if len(members) < len(plan.members):
        page.add_text(f"... and {len(plan.members) - len(members)} more", "dim", indent=2)
    return page.render()


def _cost_lines(cost: SweepCost) -> list[str]:
    networks = f"{counted(cost.graphs, 'network')} to build and trace"
    lines = [f"{networks}; members that share one differ in seed, initializers or learning rate"]
    if cost.finished:
        lines.append(f"{cost.finished} are finished already")
    if cost.seconds is None:
        lines.append("nothing is measured: theory alone")
        return lines
    assert cost.first_seconds is not None and cost.next_seconds is not None
    lines.append(
        f"about {duration(cost.seconds)} with {counted(cost.workers, 'worker')}, from the "
        f"largest member, measured: {number(cost.first_seconds)} s with a new network, "
        f"{number(cost.next_seconds)} s with one that is there"
    )
    if cost.peak_bytes is not None and cost.record_bytes is not None:
        disk = cost.record_bytes * (cost.members - cost.finished)
        lines.append(
            f"{_size(cost.peak_bytes)} of memory for each worker, {_size(disk)} on disk for records"
        )
    return lines


def _size(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{number(size)} {unit}"
        size /= 1024
    return f"{number(size)} TiB"
