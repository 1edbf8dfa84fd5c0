"""``python -m benchmarks.detectors``: run the corpus, judge it, keep the results.

Two passes: gradscope's runs, whose records are kept, and plain Keras trainings of the same cases,
which check the labels and feed the other tools' rules. ``--from-records`` repeats neither: it
judges the records that are there, without TensorFlow.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click

from benchmarks.detectors import distances, judging
from benchmarks.detectors.case import PARTS, THIRD, TUNE, WIDE, WIDE_PARTS, Case
from benchmarks.detectors.corpus import CASES
from benchmarks.detectors.judging import file_of
from benchmarks.detectors.wide import judged, measuring, results
from benchmarks.detectors.wide.declared import wide_cases

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "detectors.json"
WIDE_RESULTS = ROOT / "benchmarks" / "results" / "detectors_wide.json"
UNSEEN = ROOT / "benchmarks" / "results" / "detectors_unseen.json"
RECORDS = ROOT / "build" / "detectors"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--records", type=click.Path(path_type=Path), default=RECORDS, show_default=True)
@click.option("--from-records", is_flag=True, help="Judge the kept records; train nothing.")
@click.option("--missing", is_flag=True, help="Train only what has no kept record.")
@click.option("--only", multiple=True, help="Cases whose name holds this text; keeps no results.")
@click.option("--part", type=click.Choice(PARTS + WIDE_PARTS), help="This part alone.")
@click.option("--unseen", is_flag=True, help="Keep the rates of parts that are judged first now.")
@click.option("--remedies", is_flag=True, help="Apply and re-run the remedies of wide and third.")
@click.option("--seconds", type=float, default=1e9, help="Begin no case of wide or third later.")
@click.option("--show", is_flag=True, help="A line for every case.")
def main(
    records: Path,
    *,
    from_records: bool,
    missing: bool,
    only: tuple[str, ...],
    part: str | None,
    unseen: bool,
    remedies: bool,
    seconds: float,
    show: bool,
) -> None:
    """Measure the error rates of the detectors over the corpus."""
    records.mkdir(parents=True, exist_ok=True)
    if part not in WIDE_PARTS:
        chosen = _chosen(CASES, only, part)
        if not from_records:
            _train(chosen, records, missing)
        rows = [judging.row(case, records) for case in chosen]
        _shown(rows, judging.line, show)
        if unseen:
            _keep_first(rows, PARTS)
        if not only and not part:
            _write(chosen, rows, records)
    if part is None or part in WIDE_PARTS:
        chosen = _chosen(wide_cases(), only, part)
        if not from_records:
            left = measuring.train(
                chosen, records, again=not missing, remedies=remedies, seconds=seconds
            )
            click.echo(f"{left} trainings of wide and third are missing")
        rows = results.rows(chosen, records)
        _shown(rows, judged.line, show)
        if unseen:
            _keep_first(rows, WIDE_PARTS)
        if not only:
            _write_wide(chosen, rows)


def _chosen(cases: Sequence[Case], only: tuple[str, ...], part: str | None) -> list[Case]:
    return [
        case
        for case in cases
        if (not only or any(text in case.name for text in only))
        and (part is None or case.part == part)
    ]


def _shown(rows: list[dict[str, Any]], line: Callable[[Any], str], show: bool) -> None:
    for row in rows if show else ():
        click.echo(line(row))


def _write(chosen: list[Case], rows: list[dict[str, Any]], records: Path) -> None:
    tune = [case for case in chosen if case.part == TUNE]
    result = {
        "rates": judging.rates(rows),
        "distances": distances.distances(tune, records),
        "cases": rows,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _write_wide(chosen: list[Case], rows: list[dict[str, Any]]) -> None:
    """Keep the rows of the chosen part beside those of the other."""
    kept = json.loads(WIDE_RESULTS.read_text(encoding="utf-8")) if WIDE_RESULTS.exists() else {}
    parts = {case.part for case in chosen}
    every = [row for row in kept.get("cases", ()) if row["part"] not in parts] + rows
    result = results.results(wide_cases(), every)
    WIDE_RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _keep_first(rows: list[dict[str, Any]], parts: tuple[str, ...]) -> None:
    """Keep what parts other than tune give when they are judged for the first time, never later."""
    kept = json.loads(UNSEEN.read_text(encoding="utf-8")) if UNSEEN.exists() else {}
    for part in parts:
        those = [row for row in rows if row["part"] == part]
        if those and part == THIRD:
            kept[part] = first_of_each(kept.get(part, {}), those)
        elif those and part not in (TUNE, WIDE) and part not in kept:
            kept[part] = {
                "judged": date.today().isoformat(),
                "rates": judging.rates(those)[part],
                "cases": those,
            }
    UNSEEN.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def first_of_each(kept: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The first verdict on each case: those that were judged before stay as they are."""
    before = list(kept.get("cases", ()))
    names = {row["name"] for row in before}
    cases = before + [row for row in rows if row["name"] not in names]
    return {"judged": date.today().isoformat(), "rates": judged.rates(cases), "cases": cases}


def _train(cases: Iterable[Case], folder: Path, missing: bool) -> None:
    import keras

    from benchmarks.detectors import plain_pass, runs

    passes: tuple[tuple[str, Callable[[Case, Path], Any]], ...] = (
        ("record.npz", runs.measured),
        ("plain.json", plain_pass.observed),
    )
    for ending, run in passes:
        for case in cases:
            if missing and file_of(case, folder, ending).exists():
                continue
            started = time.process_time()
            run(case, folder)
            keras.backend.clear_session()  # or hundreds of graphs stay in memory
            gc.collect()
            seconds = time.process_time() - started
            sys.stderr.write(f"{seconds:5.1f} s  {ending:10}  {case.name}\n")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.detectors")
