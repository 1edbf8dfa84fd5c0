"""Weights & Biases: the config, the series, the summary, and the page of the report."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from gradscope.workflows.tracking import TRACKERS, Tracker, points, summary

if TYPE_CHECKING:
    from gradscope.workflows.report_files.report_folder import WrittenReport


def write(written: WrittenReport, place: str) -> str:
    """Log one run into the project `place`; WANDB_MODE=offline keeps it on this machine."""
    import wandb

    report = written.report
    run = wandb.init(project=place, name=report.record.name, config=dict(report.record.config))
    try:
        for step, group in itertools.groupby(points(report), lambda point: point.step):
            run.log({point.name: point.value for point in group}, step=step)
        run.summary.update(summary(report))
        for path in map(Path, written.files):
            if path.suffix == ".html":
                run.log({"report": wandb.Html(path.read_text("utf-8"))})
            run.save(path, base_path=path.parent, policy="now")
        return str(run.dir)
    finally:
        run.finish()


TRACKERS.register("wandb")(
    Tracker(
        metavar="PROJECT",
        help="Also log the run to this project of Weights & Biases (WANDB_MODE=offline: local).",
        needs="wandb",
        package="wandb",
        write=write,
    )
)
