"""What the cells of docs/chapter.ipynb call: measure a network, show it beside what theory says."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from dataclasses import dataclass

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from gradscope.reporters.layout.numbers import number
from scripts.chapter import STATEMENTS, pictures
from scripts.chapter.statement import Figure, Run, findings, records


def measure(config: str, *changed: str, seeds: int = 1, start: bool = False) -> Run:
    """Measure ``configs/<config>.yaml`` with `changed` keys, such as ``model.depth=50``.

    The first seed is 42. With `start`, the network is measured as initialised, and not trained.
    """
    run = Run(config, changed, seeds, start)
    records(run)
    return run


@dataclass(frozen=True)
class Shown:
    """The picture of some runs, their figures beside closed forms, and what detectors find."""

    svg: str
    figures: tuple[Figure, ...]
    messages: tuple[str, ...]

    def __repr__(self) -> str:
        rows = [f"{figure.what}: {number(figure.measured)}" for figure in self.figures]
        return "\n".join([*rows, *self.messages])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("figure", "expected", "measured", "agrees"))
        rows = "".join(_row(figure) for figure in self.figures)
        messages = "".join(f"<p>{html.escape(message)}</p>" for message in self.messages)
        return f"{self.svg}<table><tr>{head}</tr>{rows}</table>{messages}"


def show(statement: int, runs: Mapping[str, Run]) -> Shown:
    """Draw `runs` as the statement with this number does, and read its figures from them."""
    stated = STATEMENTS[statement - 1]
    measured = {label: records(run) for label, run in runs.items()}
    messages = [
        f"{name} ({label}): {finding.message} {finding.details}".rstrip()
        for label, run in runs.items()
        for name, items in findings(_with_detectors(run, stated.runs.get(label))).items()
        for finding in items[:1]
    ]
    svg = pictures.drawn(stated.panels, measured).decode()
    return Shown(svg[svg.index("<svg") :], stated.read_figures(measured), tuple(messages))


def _with_detectors(run: Run, stated: Run | None) -> Run:
    """The same run, which asks for the detectors that the statement names."""
    with_findings = stated.with_findings if stated is not None else ()
    return Run(run.config, run.changed, run.seeds, run.start, with_findings)


def _row(figure: Figure) -> str:
    expected = figure.expected if isinstance(figure.expected, str) else number(figure.expected)
    cells = (figure.what, expected, number(figure.measured), "yes" if figure.holds else "no")
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
