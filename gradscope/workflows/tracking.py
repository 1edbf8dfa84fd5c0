"""Trackers: where a finished run is written too; a new file in integrations/trackers/ is a new one.

What a tracker gets is a report and the files of its folder. This module imports no numpy and no
reporter until something is written: the help of a command reads it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gradscope.errors import BadRequest, CouldNotMeasure, GradscopeError
from gradscope.message_text import sanitise
from gradscope.registry import Registry

if TYPE_CHECKING:
    from gradscope.reporters.report import Report
    from gradscope.workflows.report_files.report_folder import WrittenReport


@dataclass(frozen=True)
class Tracker:
    """A tool that keeps runs, and the option that names a place in it.

    `metavar` and `help` are of the option. `needs` is the module to import and `package` what
    installs it. `write` writes one report to the place that the option names, and gives where it
    is now, in words for stderr.
    """

    metavar: str
    help: str
    needs: str
    package: str
    write: Callable[[WrittenReport, str], str]


TRACKERS: Registry[Tracker] = Registry("gradscope.integrations.trackers")


def check_installed(names: Sequence[str]) -> None:
    """Raise `BadRequest` for a tracker whose package is not installed, before anything is run."""
    for name in names:
        tracker = TRACKERS[name]
        try:
            importlib.import_module(tracker.needs)
        except ImportError as error:
            raise BadRequest(
                f"--{name} needs the package {tracker.package}", f"pip install {tracker.package}"
            ) from error


def track(written: WrittenReport, places: dict[str, str]) -> list[str]:
    """Write a report, and those on other gradients, to each tracker: name -> place.

    Raises `CouldNotMeasure` where a tracker fails, for whatever reason: the report is kept.
    """
    return [
        f"{name}: {_written(name, each, place)}"
        for name, place in places.items()
        for each in (written, *written.others)
    ]


def _written(name: str, written: WrittenReport, place: str) -> str:
    try:
        return TRACKERS[name].write(written, place)
    except GradscopeError:
        raise
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        again = f"again: gradscope report {written.folder} --{name} {place}"
        raise CouldNotMeasure(f"--{name} failed: {sanitise(cause, 500)}", again) from error


SHOWN: Final = (
    "preactivation_rms",
    "delta_rms",
    "kernel_gradient_rms",
    "update_ratio",
    "dead_fraction",
)
"""Figures of a layer that a tracker gets; record.npz and `gradscope export` have all."""


@dataclass(frozen=True)
class Point:
    """One value at a step; `name` is ``loss`` or ``delta_rms/hidden_1``."""

    step: int
    name: str
    value: float


def points(report: Report) -> Iterator[Point]:
    """The series of a report, step after step: of a long run the steps of result.json."""
    import numpy as np

    from gradscope.record import tidy
    from gradscope.reporters.layout.sanitizing import printable
    from gradscope.reporters.run.step_selection import select_steps

    record = report.record
    rows = select_steps(report).rows
    if not len(rows):
        return
    steps = record.steps[rows]
    columns: dict[str, Any] = {}
    for block in tidy.blocks(
        record, statistics=(*record.scalars, *SHOWN), steps=[int(step) for step in steps]
    ):
        for column, layer in enumerate(block.layers):
            name = f"{block.statistic}/{printable(layer)}" if layer else block.statistic
            columns[name] = block.values[:, column]
    for row, step in enumerate(steps.tolist()):
        for name, values in columns.items():
            if np.isfinite(values[row]):
                yield Point(int(step), name, float(values[row]))


def summary(report: Report) -> dict[str, float | str]:
    """What a table of runs shows of a report: state, findings, and its last figures."""
    from gradscope.reporters.run.answer import lead

    record, diagnosis = report.record, report.diagnosis
    figures = {name: float(value) for name, value in record.evaluation.items()}
    return {
        "verdict": str(diagnosis.verdict),
        "headline": diagnosis.headline,
        "codes": " ".join(diagnosis.codes),
        "lead": lead.lead_name(report),
        "steps": float(record.outcome.steps_done),
        "seconds": record.seconds,
        **figures,
    }
