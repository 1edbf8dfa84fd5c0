"""The report of one run as Python and notebooks show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradscope.errors import BadRequest
from gradscope.message_text import did_you_mean, one_of_text, show_value
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS, folder, plots
from gradscope.reporters.run.notebook import notebook_html


class RunReport(Report):
    """A report with methods for a person: print it, draw it, write its files.

    In a notebook it shows state, cause, remedy and the profile over depth.
    """

    def text(self, width: int = 100) -> str:
        """The report as `gradscope run` shows it, `width` columns wide."""
        return REPORTERS["text"](self, ReportOptions(width=width))

    def figure(self, name: str = "depth_profile") -> Any:
        """One of the report's figures as a `matplotlib.figure.Figure`.

        `name` is gradient_heatmap, depth_profile, time_profile, histograms or loss. Raises
        `BadRequest` for another name, and for a figure that this run does not have.
        """
        if name not in plots.NAMES:
            remedy = did_you_mean(name, plots.NAMES) or one_of_text(plots.NAMES)
            raise BadRequest(f"no figure is called {show_value(name)}", remedy)
        figures = plots.draw(self, (name,))
        if name not in figures:
            raise BadRequest(
                f"this run has no {name}: no recurrent layer was followed through time"
            )
        return figures[name]

    def save(self, directory: str | Path) -> Path:
        """Write the files of `gradscope run` into `directory`, and give the path of the page.

        An earlier report there is replaced. Raises `BadRequest` where a file would be replaced that
        gradscope did not write, and where the folder is in use.
        """
        target = Path(directory)
        with folder.claimed(target):
            folder.write_record(self.record, target)
            folder.remove_pages(target)
            folder.write_result(self, target)
            return folder.write_pages(self, target)[0]

    def _repr_html_(self) -> str:
        return notebook_html(self)
