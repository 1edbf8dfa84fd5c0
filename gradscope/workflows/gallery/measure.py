"""Measure the networks of a paper, and write its picture, its table and its configs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from gradscope.config.loading import load_config
from gradscope.errors import BadRequest
from gradscope.message_text import did_you_mean, one_of_text, show_value
from gradscope.record.files import output_file
from gradscope.reporters.gallery import picture
from gradscope.reporters.gallery.paper_figure import PaperFigure
from gradscope.reporters.gallery.text import markdown
from gradscope.runner.runtime.seeds import Seeds
from gradscope.workflows.analysis import analyze
from gradscope.workflows.gallery import PAPERS
from gradscope.workflows.measuring.engine import Measurement, ThisProcess

BEGIN, END = "<!-- gallery: begin -->", "<!-- gallery: end -->"
"""Between these lines of a README the gallery's sections are replaced."""


def chosen(names: Iterable[str]) -> list[str]:
    """The names, all where there are none; raises `BadRequest` for an unknown one."""
    asked = list(names) or list(PAPERS)
    for name in asked:
        if name not in PAPERS:
            remedy = did_you_mean(name, PAPERS) or one_of_text(PAPERS)
            raise BadRequest(f"the gallery has no {show_value(name)}", remedy)
    return asked


def measure(name: str) -> PaperFigure:
    """Measure the networks of one paper in this process, from as many seeds as it asks for."""
    paper, engine = PAPERS[name], ThisProcess()
    reports = {}
    for label, config in paper.networks.items():
        experiment = load_config(config)
        seeds = tuple(range(experiment.seed, experiment.seed + paper.seeds))
        wanted = Seeds(trained=seeds) if paper.trained else Seeds((), seeds)
        records = engine.measure(Measurement(experiment, wanted))
        reports[label] = tuple(analyze(record) for record in records)
    return PaperFigure(
        name=name,
        title=paper.title,
        citation=paper.citation,
        shows=paper.shows,
        differs=paper.differs,
        quantity=paper.quantity,
        rows=tuple(paper.rows(reports)),
        curves=tuple(paper.curves(reports)),
        configs=paper.networks,
        seeds=paper.seeds,
        axis=paper.axis,
        level=paper.level,
    )


def write(figure: PaperFigure, folder: Path) -> list[Path]:
    """Write the picture and the configs of a paper into `folder`."""
    contents = dict(picture.files(figure))
    for label, config in figure.configs.items():
        head = f"# {figure.title}, the network '{label}': {figure.citation}.\n"
        text = head + yaml.safe_dump(dict(config), sort_keys=False)
        contents[f"{figure.name}.{label}.yaml"] = text.encode()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        output_file.write(path, content)
    return paths


def check_folder(folder: Path) -> None:
    """Make the folder of the gallery; raises `BadRequest` where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        remedy = "choose another folder with --output"
        raise BadRequest(f"cannot write to {folder}: {reason}", remedy) from error
    output_file.check_outputs([folder / "gallery"])


def check_page(page: Path) -> None:
    """Raise `BadRequest` where `page` has no place for the gallery."""
    if not page.is_file() or BEGIN not in (text := page.read_text("utf-8")) or END not in text:
        raise BadRequest(f"{page} has no place for the gallery", f"write into it: {BEGIN} {END}")
    output_file.check_outputs([page])


def write_page(figures: Sequence[PaperFigure], page: Path) -> None:
    """Put the sections of the papers between the gallery lines of `page`; other papers keep theirs.

    The order is that of the gallery's names.
    """
    old = page.read_text("utf-8")
    before, _, rest = old.partition(BEGIN)
    kept, _, after = rest.partition(END)
    sections = {_title(section): section for section in re.split(r"(?m)^(?=### )", kept)[1:]}
    sections |= {figure.title: markdown([figure]) for figure in figures}
    ordered = [sections[paper.title] for paper in PAPERS.values() if paper.title in sections]
    text = "".join(f"{section.rstrip()}\n\n" for section in ordered)
    output_file.write(page, f"{before}{BEGIN}\n{text.rstrip()}\n{END}{after}".encode())


def _title(section: str) -> str:
    return section.partition("\n")[0].removeprefix("### ").strip()
